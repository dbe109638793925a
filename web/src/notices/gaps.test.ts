import { expect, test } from 'vitest';
import type { FlaggedInterval, Gap } from '../api/model';
import { gapsBeside, gapSentences, marks } from './gaps';

const NOW = Date.parse('2026-11-21T11:00:00Z');
const gap = (reason: Gap['reason'], start: string, end: string): Gap => ({
  reason,
  start: `2026-11-21T${start}Z`,
  end: `2026-11-21T${end}Z`,
  message: `Nothing was read from 2026-11-21 ${start} UTC to 2026-11-21 ${end} UTC: ${reason}.`,
  sums_known: true,
});

test('one gap is a sentence in the zone of the reader', () => {
  expect(gapSentences([gap('collector', '10:02:00', '10:11:00')], 'utc', NOW)).toEqual([
    { text: 'Nothing was read from 10:02:00 to 10:11:00: collector.', details: [] },
  ]);
  expect(gapSentences([], 'utc', NOW)).toEqual([]);
});

test('many gaps of one reason are counted, and their time is summed up', () => {
  const sentences = gapSentences([gap('collector', '10:00:00', '10:05:00'), gap('not_watched', '08:00:00', '09:00:00'), gap('collector', '10:30:00', '10:40:00')], 'utc', NOW);
  expect(sentences.map((one) => [one.text, one.details.length])).toEqual([
    ['Nothing was read in 2 parts of this range, 15\u00a0min in all.', 2],
    ['Nothing was read from 08:00:00 to 09:00:00: not_watched.', 0],
  ]);
});

test('a gap of one set is told only where nothing else was a gap', () => {
  const stop = gap('collector', '10:00:00', '10:05:00');
  const own = [gap('collector', '10:00:10', '10:05:10'), gap('failed', '10:30:00', '10:40:00')];
  expect(gapsBeside(own, [stop]).map((one) => one.reason)).toEqual(['failed']);
});

test('a chart marks each gap once, with its sentence', () => {
  const flag = (reason: string): FlaggedInterval => ({ reason, message: reason, entries_total: 0, start: '2026-11-21T10:00:00Z', end: '2026-11-21T10:05:00Z' });
  const stop = gap('unreachable', '10:00:00', '10:05:00');
  expect(marks([flag('gap'), flag('restart')], [stop]).map((one) => [one.reason, one.message])).toEqual([['restart', 'restart'], ['gap', stop.message]]);
});
