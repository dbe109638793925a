import { expect, test } from 'vitest';
import type { Connections, Wraparound } from '../api/model';
import { freezeLine, oldestLines } from './oldest';

const CONNECTIONS: Connections = {
  at: '2026-11-21T10:00:00Z', total: 4, states: [], databases: [], users: [], grid: { start: '2026-11-21T09:00:00Z', step_ms: 60_000, points: 1 },
  series: [], unmeasured: {}, flagged_intervals: [], gaps: [],
};
const ORDER = { kind: 'prepared_transaction', who: "the prepared transaction 'order 7' of app in shop", age_ms: 660_000, age: 30_004 } as const;

const lines = (more: Partial<Connections>) => oldestLines({ ...CONNECTIONS, ...more }).map((line) => line.replaceAll('\u00a0', ' '));

test('the oldest transaction and what holds back vacuum are told with their holder', () => {
  expect(lines({ oldest_xact: ORDER, oldest_xact_age_ms: 660_000, oldest_xmin: ORDER, oldest_xmin_age: 30_004 })).toEqual([
    "Oldest transaction: 11 min, the prepared transaction 'order 7' of app in shop.",
    "VACUUM keeps the rows of the last 30.0 k transactions for the prepared transaction 'order 7' of app in shop.",
  ]);
  // Whose it was is of another set, and may not have been read.
  expect(lines({ oldest_xact_age_ms: 660_000 })).toEqual(['Oldest transaction: 11 min.']);
  expect(lines({ oldest_xact_age_ms: 12, oldest_xmin_age: 1 })).toEqual([]);
  expect(lines({})).toEqual([]);
});

test('what holds the freeze age is named, whatever table it is', () => {
  const age = { age: 30_004 };
  const holder = { kind: 'table', who: 'temporary table pg_temp_3.cart of session 4711 of etl, idle', pid: 4711, age: 30_000 } as const;
  const database = { datid: 5, name: 'shop', xid: age, mxid: age, series: { xid_age: [], mxid_age: [] } };
  const wraparound: Wraparound = { at: null, grid: CONNECTIONS.grid, xid_stop_age: 2e9, mxid_stop_age: 2e9, data: [{ ...database, name: 'template0' }, { ...database, xid_holder: holder }], unmeasured: {} };
  expect(freezeLine(wraparound)?.replaceAll('\u00a0', ' ')).toBe('Oldest transaction id: 30.0 k transactions ago in shop, held by temporary table pg_temp_3.cart of session 4711 of etl, idle.');
  expect(freezeLine({ ...wraparound, data: [database] })).toBeNull();
});
