import { expect, it } from 'vitest';
import type { Functions } from '../api/model';
import { RANGE } from '../tests/covered';
import { functionName, functionsHeading, type FunctionRow } from './functions';

const row: FunctionRow = { database: 'shop', datid: 5, funcid: 20, name: 'price', arguments: 'integer, text', share: 0.75 };
const all: Functions = {
  data: [row], count: 1, total: 1, totals: { functions: 1 }, databases: [], schemas: [], track: 'pl', unmeasured: {}, not_readable: [], flagged_intervals: [],
  covered: { ...RANGE, ms: 60_000, share: 1 },
};

it('names the function that takes most, or says why there is none', () => {
  expect(functionsHeading(all)).toBe('price(integer, text) takes 75\u00a0% of the time in functions');
  expect(functionsHeading({ ...all, data: [] })).toBe('No function was called');
  expect(functionsHeading({ ...all, data: [], track: 'none' })).toBe('Functions are not counted');
  expect(functionsHeading({ ...all, data: [], covered: { ...all.covered, ms: 0 } })).toBe('No figures of functions');
  expect(functionName({ ...row, name: null })).toBe('Function 20');
});
