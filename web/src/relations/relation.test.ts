import { expect, test } from 'vitest';
import type { IndexRow, TableRow } from '../api/model';
import {
  autovacuumHint, autovacuumUrgency, definition, dropStatement, growthFigure, indexesHeading, isDue, lastVacuum, quoted, relationName, scansSince, tablesHeading,
  writes,
} from './relation';

const GIB = 1024 ** 3;
const table = { totals: { tables: 1004, partitions: 0, size_bytes: 812 * GIB } };
const totals = { indexes: 120, invalid: 0, duplicate: 0, unused: 0, size_bytes: 45 * GIB };
const index = { schema: 'public', name: 'twin', droppable: true, predicate: false } as IndexRow;

test('the heading of tables is their size and number', () => {
  expect(tablesHeading(table)).toBe('812\u00a0GiB, 1,004 tables');
  expect(tablesHeading({ totals: { tables: 1, partitions: 0 } })).toBe('1 table');
  expect(tablesHeading({ totals: { tables: 0, partitions: 0 } })).toBe('No tables');
});

test('the heading of indexes names what is wrong, gravest first', () => {
  expect(indexesHeading({ totals })).toBe('45\u00a0GiB, 120 indexes, nothing found');
  expect(indexesHeading({ totals: { ...totals, invalid: 2, unused: 5, droppable_bytes: 2 * GIB } })).toBe(
    '2 invalid, 5 unused of 120 indexes; 2\u00a0GiB can go',
  );
  expect(indexesHeading({ totals: { ...totals, indexes: 0 } })).toBe('No indexes');
});

test('names are quoted and qualified where they must be', () => {
  expect([quoted('orders'), quoted('Orders'), quoted('a"b')]).toEqual(['orders', '"Orders"', '"a""b"']);
  // What is not seen is written out, so that what is copied is what is read.
  expect(quoted('a\u202eb')).toBe('U&"a\\+00202eb"');
  expect(quoted('\\"\n')).toBe('U&"\\\\""\\+00000a"');
  expect(relationName({ schema: 'public', name: 'orders' }, 1)).toBe('orders');
  expect(relationName({ schema: 'sales', name: 'orders' }, 1)).toBe('sales.orders');
  expect(relationName({ schema: null, name: null }, 16384)).toBe('16384');
});

test('the last vacuum is the later one', () => {
  const row = { last_vacuum: '2026-03-01T08:00:00Z', last_autovacuum: '2026-03-01T09:00:00Z' } as TableRow;
  expect(lastVacuum(row)).toEqual({ at: Date.parse('2026-03-01T09:00:00Z'), auto: true });
  expect(lastVacuum({ ...row, last_autovacuum: null })?.auto).toBe(false);
  expect(lastVacuum({} as TableRow)).toBeNull();
});

test('the distance to autovacuum tells its numbers', () => {
  const near = { share: 0.5, because: 'dead_rows', enabled: false, dead_threshold: 250, insert_threshold: 1200, freeze_max_age: 2e8 } as const;
  const hint = autovacuumHint({ dead_rows: 125, autovacuum: near } as TableRow);
  expect(hint).toContain('50\u00a0% of the way, by dead rows');
  expect(hint).toContain('125 of 250 dead rows');
  expect(hint).toContain('Autovacuum is off here');
  expect(autovacuumHint({ autovacuum: null } as TableRow)).toBe('');
});

test('no scan counts from where none can have been missed', () => {
  const row = { ...index, scans: 0, scans_since: '2026-01-01T00:00:00Z', known_since: '2026-02-01T00:00:00Z' };
  expect(scansSince(row)).toBe(Date.parse('2026-02-01T00:00:00Z'));
  expect(scansSince({ ...row, scans: 5 })).toBe(Date.parse('2026-01-01T00:00:00Z'));
  expect(scansSince({ ...row, scans: 5, scans_since: null })).toBeNull();
});

test('writes are what is known of them', () => {
  expect(writes({ inserts_per_s: 1, updates_per_s: 2, deletes_per_s: null } as TableRow)).toBe(3);
  expect(writes({} as TableRow)).toBeNull();
});

test('an index is described without its source, and dropped only when nothing needs it', () => {
  const row = { ...index, method: 'btree', columns: 'a, (expression)', included: 'b', predicate: true } as IndexRow;
  expect(definition(row)).toBe('btree (a, (expression)) include (b) where …');
  expect(definition({ ...row, columns: null })).toBeNull();
  expect(dropStatement(row)).toBe('drop index concurrently public.twin;');
  expect(dropStatement({ ...row, name: 'Twin', partitions: 3 })).toBe('drop index public."Twin";');
  expect(dropStatement({ ...row, droppable: false })).toBeNull();
});

test('where autovacuum does not come a table is among the worst, however small its share', () => {
  const near = (share: number, enabled: boolean) => ({ autovacuum: { share, enabled, because: 'dead_rows', dead_threshold: 50, freeze_max_age: 2e8 } }) as TableRow;
  expect([near(0.0001, false), near(2.86, true), near(1, true), {} as TableRow].map(isDue)).toEqual([true, true, false, false]);
  const urgencies = [near(0.0001, false), near(2.86, true)].map(autovacuumUrgency);
  expect(urgencies[0]).toBeGreaterThan(urgencies[1] ?? Infinity);
  expect(autovacuumUrgency({} as TableRow)).toBeNull();
});

test('growth is told per day only of a day', () => {
  const MIB = 1024 ** 2;
  const young = { growth_bytes: 1.2 * MIB, growth_ms: 14 * 60_000 } as TableRow;
  expect(growthFigure(young)?.value).toBe('+1.20\u00a0MiB in 14\u00a0min');
  expect(growthFigure({ ...young, growth_bytes: 0 })?.value).toBe('0\u00a0B in 14\u00a0min');
  expect(growthFigure({ ...young, growth_bytes: -MIB, growth_bytes_per_day: -2 * MIB })?.value).toBe('\u22122\u00a0MiB/day');
  expect(growthFigure({} as TableRow)).toBeNull();
});
