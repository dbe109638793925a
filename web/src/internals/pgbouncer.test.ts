import { expect, test } from 'vitest';
import type { InstanceDetail, SetRows } from '../api/model';
import { byDatabase, hasPooler, lastPools, POOL_MEASURES, poolsHeading, STAT_MEASURES, type PoolerRow } from './pgbouncer';

const rows = (data: object[]): SetRows => ({
  set: 'x', start: '2026-03-01T12:00:00Z', end: '2026-03-01T13:00:00Z', step_ms: null, columns: [], data: data as SetRows['data'], count: data.length, limit: 1000, offset: 0,
});
const pool = (time: string, database: string, cl_waiting: number, maxwait = 0): PoolerRow => ({ time, database, username: 'app', cl_waiting, maxwait });
const value = (measures: typeof POOL_MEASURES, id: string, row: PoolerRow) => measures.find((one) => one.id === id)?.value?.(row);

test('pools are those of the last reading', () => {
  const last = lastPools(rows([pool('2', 'a', 1), pool('2', 'b', 0), pool('1', 'a', 9)]));
  expect(last.map((row) => row['cl_waiting'])).toEqual([1, 0]);
  expect(lastPools(rows([]))).toEqual([]);
});

test('the heading says who waits', () => {
  expect(poolsHeading([])).toBe('No figures of PgBouncer');
  expect(poolsHeading([pool('1', 'a', 0)])).toBe('No client waits; PgBouncer has 1 pool');
  expect(poolsHeading([pool('1', 'a', 0), pool('1', 'b', 0)])).toBe('No client waits; PgBouncer has 2 pools');
  expect(poolsHeading([pool('1', 'a', 1, 2_000_000)])).toBe('1 client waits for a server connection, the first for 2.00\u00a0s');
  expect(poolsHeading([pool('1', 'a', 1), pool('1', 'b', 2, 2_000_000)])).toBe('3 clients wait for a server connection, the first for 2.00\u00a0s');
});

test('work is summed by database, and rated over the time that was read', () => {
  const row = (database: string, interval_ms: number, queries: number) => ({ time: '1', database, interval_ms, total_query_count: queries, total_query_time: queries * 4000, total_wait_time: null });
  const [a] = byDatabase(rows([row('a', 60_000, 600), row('b', 60_000, 1), row('a', 20_000, 200)]));
  expect(a).toMatchObject({ database: 'a', interval_ms: 80_000, total_query_count: 800 });
  expect(value(STAT_MEASURES, 'total_query_count', a ?? {})).toBe(10);
  expect(value(STAT_MEASURES, 'total_query_time', a ?? {})).toBe(4);
  expect(value(STAT_MEASURES, 'total_wait_time', a ?? {})).toBeNull();
  expect(value(POOL_MEASURES, 'maxwait', pool('1', 'a', 1, 1500))).toBe(1.5);
});

test('it is shown where a console is read', () => {
  const instance = (sets: object[]) => ({ sets }) as InstanceDetail;
  expect(hasPooler(null)).toBe(false);
  expect(hasPooler(instance([{ set: 'pg_stat_io', state: 'works' }]))).toBe(false);
  expect(hasPooler(instance([{ set: 'pgbouncer_pools', state: 'works' }]))).toBe(true);
  expect(hasPooler(instance([{ set: 'pgbouncer_pools', state: 'error', code: 'failed' }]))).toBe(true);
  expect(hasPooler(instance([{ set: 'pgbouncer_pools', state: 'missing', code: 'disabled' }]))).toBe(false);
});
