import { expect, test } from 'vitest';
import type { Databases, InstanceDetail } from '../api/model';
import { atMost, hitRatio, newest, overviewHeading, throughputCharts } from './overview';

const DATABASES = {
  grid: { start: '2026-03-01T10:00:00Z', step_ms: 60_000, points: 2 },
  data: [
    { blks_hit: 90, blks_read: 10 },
    { blks_hit: null, blks_read: 50 },
    { blks_hit: 10, blks_read: 90 },
  ],
  total: { commits: [1, null], rollbacks: [0, null], hit_ratio: [0.5, null], temp_bytes: [0, null] },
  unmeasured: {},
  flagged_intervals: [],
} as unknown as Databases;

test('the hit ratio is of all blocks that were asked for, and of none it is not known', () => {
  expect(hitRatio(DATABASES)).toBe(0.5);
  expect(hitRatio({ ...DATABASES, data: [] })).toBeNull();
});

test('the newest value is the last that was measured', () => {
  expect(newest([1, 2, null])).toBe(2);
  expect(newest([null])).toBeNull();
});

test('the heading says what is worth saying', () => {
  const instance = { name: 'prod-1', cpus: 8, blocked: 0 } as unknown as InstanceDetail;
  expect(overviewHeading(instance, 9.44, 5000)).toBe('9.4 active sessions on 8 CPUs');
  expect(overviewHeading({ ...instance, cpus: null, blocked: 2 }, 0.04, 720_000)).toBe('0.0 active sessions, 2 blocked, oldest transaction 12\u00a0min');
  expect(overviewHeading(instance, null, null)).toBe('prod-1');
});

test('a gap stays a gap, and what is not measured says why', () => {
  const reason = { code: 'privilege', message: 'Not readable.' };
  const charts = throughputCharts({ ...DATABASES, unmeasured: { temp_bytes: reason } });
  expect(charts.map((chart) => chart.id)).toEqual(['tps', 'hit', 'temp']);
  expect(charts[1]?.series[0]?.values).toEqual([50, null]);
  expect(charts[2]?.missing).toEqual({ message: 'Not readable.', fix: null });
});

test('more in the range than at its end is told beside it', () => {
  expect([atMost(0, 3), atMost(3, 3), atMost(null, 3), atMost(0, null)]).toEqual([', at most 3', '', '', '']);
});
