import { expect, test } from 'vitest';
import type { DatabaseRow, Databases } from '../api/model';
import { activeSessions, databasesHeading, transactions } from './databases';
import { RANGE } from '../tests/covered';

/** What 158 commits and a rollback a second over these milliseconds make. */
function row(name: string, readMs: number): DatabaseRow {
  const seconds = readMs / 1000;
  return {
    datid: 1, name, covered_ms: readMs, xact_commit: 158 * seconds, xact_rollback: seconds,
    rates: { xact_commit: 158, xact_rollback: 1, active_time_ms: 500 }, series: { tps: [], active: [] },
  };
}

function databases(readMs: number, data: DatabaseRow[]): Databases {
  return {
    grid: { start: '2026-03-01T11:00:00Z', step_ms: 60_000, points: 60 }, data, unmeasured: {}, flagged_intervals: [], gaps: [],
    covered: { ...RANGE, ms: readMs, share: readMs / 3_600_000 }, total: { commits: [], rollbacks: [], hit_ratio: [], temp_bytes: [] },
  };
}

test('three minutes of an hour have the rate of the three minutes', () => {
  const shop = row('shop', 180_000);
  expect([transactions(shop), activeSessions(shop)]).toEqual([159, 0.5]);
  expect(databasesHeading(databases(180_000, [shop]))).toBe('shop does 100\u00a0% of 159\u00a0transactions/s');
});

test('a database that was there for a minute does not count as if it had been there for all of it', () => {
  const both = [row('shop', 180_000), row('brief', 60_000)];
  expect(databasesHeading(databases(180_000, both))).toBe('shop does 75\u00a0% of 212\u00a0transactions/s');
});

test('where nothing was read there is no rate', () => {
  const nothing = { ...row('shop', 0), rates: {} };
  expect([transactions(nothing), activeSessions(nothing)]).toEqual([null, null]);
  expect(databasesHeading(databases(0, [nothing]))).toBe('Databases');
});
