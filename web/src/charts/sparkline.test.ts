import { expect, test } from 'vitest';
import { steps } from './Sparkline';

test('gaps are gaps, zero lies on the floor, the highest touches the top', () => {
  expect(steps([1, 2, null, 0], 40, 10)).toBe('M0.0 5.0H10.0V0.0H20.0M30.0 10.0H40.0');
  expect(steps([null, null], 40, 10)).toBe('');
  expect(steps([0], 40, 10)).toBe('M0.0 10.0H40.0');
  expect(steps([], 40, 10)).toBe('');
});
