import { expect, test } from 'vitest';
import { axisTop, layers, listed, stepAt, stepEnds, summary, type ChartSeries } from './chart';

const GRID = { start: '2026-11-21T10:00:00Z', step_ms: 60_000, points: 3 };
const TEN = Date.parse(GRID.start) / 1000;

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

test('a stack has a gap where a layer was not read, and stands on zero where nothing was done', () => {
  const [lower, upper] = layers([[1, null, 0], [2, null, 0]], [false, false], 3);
  expect([lower?.top, upper?.top]).toEqual([[1, null, 0], [3, null, 0]]);
  expect(upper?.base).toEqual([1, null, 0]);
  // One layer that lacks a step is enough: what the others are worth without it is not known.
  expect(layers([[1, 1], [2, null]], [false, false], 2).map((layer) => layer.top)).toEqual([[1, null], [3, null]]);
  expect(layers([[1, 1], [2, null]], [false, true], 2)[0]?.top).toEqual([1, 1]);
});

test('the legend lists what did something; what was not read is not at zero', () => {
  const one = (id: string, values: (number | null)[]): ChartSeries => ({ id, name: id, color: 1, values });
  const names = (series: ChartSeries[]) => {
    const { shown, idle } = listed(series);
    return [shown.map((each) => each.id).join(''), idle.map((each) => each.id).join('')];
  };
  expect(names([one('a', [1, null]), one('b', [0, null]), one('c', [0, 0]), one('d', [null]), one('e', [0.001])])).toEqual(['ade', 'bc']);
  expect(names([one('a', [1]), one('b', [0]), one('c', [0])])).toEqual(['abc', '']);
  expect(names([one('a', [1]), one('b', [1]), one('c', [1]), one('d', [0])])).toEqual(['abcd', '']);
});
