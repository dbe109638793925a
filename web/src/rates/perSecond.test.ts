import { expect, test } from 'vitest';
import { eachPerSecond, perSecond } from './perSecond';

test('a sum is divided by what was read', () => {
  expect(perSecond(28_620, 180_000)).toBe(159);
  expect([perSecond(null, 1000), perSecond(5, 0), perSecond(5, null)]).toEqual([null, null, null]);
});

test('sums become rates, gaps stay gaps', () => {
  const read = [60_000, null, 60_000];
  expect(eachPerSecond([60, null, 0], read)).toEqual([1, null, 0]);
  expect(eachPerSecond([60], read, 8192)).toEqual([8192]);
  expect(eachPerSecond(undefined, read)).toEqual([]);
});

test('a step that was read in part keeps its rate', () => {
  expect(eachPerSecond([60, 20, 5], [60_000, 20_000, null])).toEqual([1, 1, null]);
});
