import { expect, test } from 'vitest';
import type { Gap, Watched } from '../api/model';
import { gapsBefore, gravest, standing, standingSentence } from './watched';

const NOW = Date.parse('2026-11-21T11:00:00Z');
const watched = (state: Watched['state'], more: Partial<Watched> = {}): Watched => ({ state, host_still_read: false, ...more });
const DOWN = watched('down', {
  since: '2026-11-21T10:48:07.2Z',
  last_reading: '2026-11-21T10:48:02Z',
  last_reading_age_ms: 718_000,
  host_still_read: true,
  error: 'connection refused by db-1:5432',
  message: 'Down since 2026-11-21 10:48:07 UTC: connection refused by db-1:5432.',
});

test('what is not read says since when', () => {
  expect(standing(watched('read'), 'utc', NOW)).toBeNull();
  expect(standing(DOWN, 'utc', NOW)).toBe('Down since 10:48:07');
  expect(standing(watched('silent', { since: '2026-11-20T23:00:00Z' }), 'utc', NOW)).toBe('No data since 20 Nov 23:00:00');
  expect(standing(watched('silent'), 'utc', NOW)).toBe('No data');
  expect(standing(watched('not_watched', { since: '2026-11-20T23:00:00Z' }), 'utc', NOW)).toBe('Not watched');
});

test('the reason, the age of the last reading, and what still comes are one paragraph', () => {
  expect(standingSentence({ watched: DOWN }, 'utc', NOW)).toBe(
    'Down since 10:48:07: connection refused by db-1:5432. The last reading of PostgreSQL is of 10:48:02, 12\u00a0min before. Its host is still read.',
  );
  expect(standingSentence({ watched: watched('read') }, 'utc', NOW)).toBeNull();
  const never = watched('silent', { message: 'Nothing has arrived from the collector yet.' });
  expect(standingSentence({ watched: never }, 'utc', NOW)).toBe('Nothing has arrived from the collector yet.');
});

test('the gap that the standing tells of is not told twice', () => {
  const gap = (end: string) => ({ end }) as Gap;
  const gaps = [gap('2026-11-21T10:10:00Z'), gap('2026-11-21T10:59:58Z')];
  expect(gapsBefore(gaps, { watched: DOWN }, NOW)).toEqual([gaps[0]]);
  expect(gapsBefore(gaps, { watched: watched('read') }, NOW)).toEqual(gaps);
});

test('beside the badge stand the gravest reasons, without its time again', () => {
  const reasons = [DOWN.message ?? '', 'Another.'];
  expect(gravest({ watched: DOWN, reasons }, 'utc', NOW)).toBe('connection refused by db-1:5432. Another.');
  expect(gravest({ watched: watched('read'), reasons }, 'utc', NOW)).toBe('Down since 10:48:07: connection refused by db-1:5432. Another.');
  expect(gravest({ watched: watched('read'), reasons: ['1.', '2.', '3.'] }, 'utc', NOW)).toBe('1. 2. 3.');
  expect(gravest({ watched: watched('read'), reasons: ['1.', '2.', '3.', '4.', '5.'] }, 'utc', NOW)).toBe('1. 2. 3. And 2 more.');
});
