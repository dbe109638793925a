import { expect, test } from 'vitest';
import { axisTop, perSecond, stepAt, stepEnds, summary } from './chart';

const GRID = { start: '2026-11-21T10:00:00Z', step_ms: 60_000, points: 3 };
const TEN = Date.parse(GRID.start) / 1000;

test('sums become rates, gaps stay gaps', () => {
  const covered = [60_000, null, 60_000];
  expect(perSecond([60, null, 0], covered)).toEqual([1, null, 0]);
  expect(perSecond([60], covered, 8192)).toEqual([8192]);
  expect(perSecond(undefined, covered)).toEqual([]);
});

test('an unfinished step is a rate of its read part', () => {
  expect(perSecond([60, 20, 5], [60_000, 20_000, null])).toEqual([1, 1, null]);
});

test('a step is drawn at its end and found anywhere inside', () => {
  expect(stepEnds(GRID)).toEqual([TEN + 60, TEN + 120, TEN + 180]);
  expect(stepAt(GRID, TEN)).toBeNull();
  expect(stepAt(GRID, TEN + 1)).toBe(0);
  expect(stepAt(GRID, TEN + 60)).toBe(0);
  expect(stepAt(GRID, TEN + 61)).toBe(1);
  expect(stepAt(GRID, TEN + 181)).toBeNull();
});

test('summaries leave gaps out instead of counting them as zero', () => {
  expect(summary([1, null, 3])).toEqual({ last: 3, mean: 2, max: 3 });
  expect(summary([2, null])).toEqual({ last: 2, mean: 2, max: 2 });
  expect(summary([null])).toEqual({ last: null, mean: null, max: null });
});

test('the axis never collapses', () => {
  expect(axisTop(0)).toBe(1);
  expect(axisTop(null)).toBe(1);
  expect(axisTop(100)).toBeCloseTo(108);
});
