import { expect, test } from 'vitest';
import type { Timeline } from '../api/model';
import { statementCharts } from './statementCharts';
import { RANGE } from '../tests/covered';

const TIMELINE: Timeline = {
  grid: { start: '2026-11-21T10:00:00Z', step_ms: 10_000, points: 2 },
  covered_ms: [10_000, null],
  series: {
    calls: [20, null],
    total_exec_time_ms: [5000, null],
    mean_exec_time_ms: [250, null],
    shared_blks_hit: [10, null],
    wal_bytes: [1000, null],
  },
  flagged_intervals: [],
  gaps: [],
  covered: { ...RANGE, ms: 10_000, share: 0.5 },
  unmeasured: { blk_read_time_ms: { code: 'setting', message: 'track_io_timing is off.', fix: 'alter system …;' } },
};

test('eight charts in their order, sums per step as rates, gaps kept, blocks as the instance has them', () => {
  const charts = statementCharts(TIMELINE, null, 16384);
  expect(charts.map((chart) => `${chart.title} ${chart.unit}`)).toEqual([
    'Calls /s', 'Mean per call', 'Average active s/s', 'Rows /s', 'Blocks B/s', 'I/O time per second', 'Temporary files B/s', 'WAL B/s',
  ]);
  const values = (id: string, index = 0) => charts.find((chart) => chart.id === id)?.series[index]?.values;
  expect(values('calls')).toEqual([2, null]);
  expect(values('active')).toEqual([0.5, null]);
  expect(values('mean')).toEqual([250, null]);
  expect(values('blocks')).toEqual([16384, null]);
  expect(values('wal')).toEqual([100, null]);
});

test('what is not measured has its reason and its SQL', () => {
  const io = statementCharts(TIMELINE, null, 16384).find((chart) => chart.id === 'io');
  expect(io?.missing).toEqual({ message: 'track_io_timing is off.', fix: 'alter system …;' });
  expect(io?.series.every((series) => series.values.length === 0)).toBe(true);
});
