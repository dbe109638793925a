import { expect, test } from 'vitest';
import type { Statement } from '../api/model';
import { changed, compared, comparedWith } from './comparison';
import { RANGE } from '../tests/covered';

/** 60 calls a minute in the range, of which an hour was read. */
const STATEMENT: Statement = {
  queryid: '1', query_state: 'ok', databases: ['shop'], users: ['app'], figures: { calls: 3600, rows: 3600 }, change: {},
  split: [], flagged_intervals: [], covered: { ...RANGE, ms: 3_600_000, share: 1 }, gaps: [], unmeasured: {}, complete: true,
};

test('the change is of rates over the time that was read, not of sums', () => {
  const half: Statement = {
    ...STATEMENT, previous: { calls: 1800, rows: 0 }, change: { calls: 1 },
    previous_covered: { ...RANGE, ms: 1_800_000, share: 0.5, message: '30 min of 1 h were read (50 %). Rates are of that time.' },
  };
  const calls = compared(half, 'calls');
  expect(changed(3600, calls)).toBe('±0\u00a0%');
  expect(calls).toMatchObject({ value: 1800, read: '\n30 min of 1 h were read (50 %). Rates are of that time.' });
  expect(changed(1, compared(half, 'rows_per_call'))).toBe('new');
  expect(comparedWith(half, '1 h')).toBe('Compared with the 1 h before, per second of what was read.');
});

test('a period of which a minute was read is nothing to compare with', () => {
  const none = 'No earlier data: only 1 min of the 1 h before were read, and half are needed to compare.';
  const minute: Statement = { ...STATEMENT, no_comparison: none, previous_covered: { ...RANGE, ms: 60_000, share: 1 / 60 } };
  const calls = compared(minute, 'calls');
  expect([changed(3600, calls), calls.value, calls.nothing]).toEqual(['', null, none]);
  expect(comparedWith(minute, '1 h')).toBe(none);
});

test('a statement that did not run before is new', () => {
  const idle: Statement = { ...STATEMENT, previous: { calls: 0, rows: 0 }, previous_covered: { ...RANGE, ms: 3_600_000, share: 1 } };
  expect(changed(3600, compared(idle, 'calls'))).toBe('new');
  expect([changed(1, compared(idle, 'rows_per_call')), changed(2, compared(idle, 'mean_exec_time_ms'))]).toEqual(['', '']);
  expect(comparedWith(idle, '1 h')).toBe('It did not run in the 1 h before.');
});
