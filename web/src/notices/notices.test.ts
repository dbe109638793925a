import { expect, test } from 'vitest';
import type { FlaggedInterval } from '../api/model';
import { flagSentence, flagSentences } from './flags';

const NOW = Date.parse('2026-11-21T11:00:00Z');
const flag = (reason: string, start: string, end: string): FlaggedInterval => ({
  reason,
  message: `${reason} as the server says it`,
  entries_total: 0,
  start: `2026-11-21T${start}Z`,
  end: `2026-11-21T${end}Z`,
});

test.each([
  [
    flag('reset', '10:31:00', '10:32:00'),
    'Statistics were reset at 10:32. Work from 10:31 to 10:32 may be missing; figures are a lower bound.',
  ],
  [
    flag('evicted', '10:31:00', '10:32:00'),
    'Entries were evicted between 10:31 and 10:32; figures are a lower bound.',
  ],
  [
    flag('evicted', '10:31:05', '10:31:10'),
    'Entries were evicted between 10:31:05 and 10:31:10; figures are a lower bound.',
  ],
  [flag('younger', '10:31:00', '10:40:00'), 'younger as the server says it'],
  [{ ...flag('younger', '10:31:00', '10:40:00'), message: 'Lost until 2026-11-21 10:40:00 UTC.' }, 'Lost until 10:40:00.'],
])('%o', (given, sentence) => {
  expect(flagSentence(given, 'utc', NOW)).toBe(sentence);
});

test('many of one reason become one sentence, with each behind it', () => {
  const sentences = flagSentences(
    [flag('evicted', '10:40:00', '10:41:00'), flag('evicted', '10:31:00', '10:32:00'), flag('reset', '10:04:00', '10:05:00')],
    'utc',
    NOW,
  );
  expect(sentences.map((sentence) => [sentence.text, sentence.details.length])).toEqual([
    ['Entries were evicted in 2 intervals between 10:31 and 10:41; figures are a lower bound.', 2],
    ['Statistics were reset at 10:05. Work from 10:04 to 10:05 may be missing; figures are a lower bound.', 0],
  ]);
});
