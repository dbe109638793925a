import { expect, test } from 'vitest';
import type { InstanceLife, LifeChange } from '../api/model';
import { changeSentence, lifeHeading, lookSentence, sourceSentence } from './life';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const life: InstanceLife = { id: 1, name: 'main', named_by: null, retired: null, delivered_as: [], looks_like: [], changes: [] };
const source = { collector_id: 'c', name: 'main', since: '2026-03-01T11:00:00Z', until: null };
const made = { at: '2026-03-01T11:00:00Z', by: null, why: null, from: null, to: null, collector_id: null, other: null };

test('the heading says whether it is in the fleet', () => {
  expect(lifeHeading({ ...life, delivered_as: [source] }, 'utc', NOW)).toBe('In the fleet, as it was configured first');
  expect(lifeHeading({ ...life, delivered_as: [source, source] }, 'utc', NOW)).toBe('In the fleet, under its 2nd name or collector');
  const retired = { at: '2026-03-01T11:00:00Z', by: 'admin', why: null, continued_as: null };
  expect(lifeHeading({ ...life, retired }, 'utc', NOW)).toMatch(/^Retired since .*11:00.* by admin$/);
});

test('who did it, and that nobody did, is told', () => {
  const said = (change: Partial<LifeChange> & { change: string }) => changeSentence({ ...made, ...change }, 'utc', NOW);
  expect(said({ change: 'renamed', by: 'ann', from: 'a', to: 'b', why: 'clearer' })).toMatch(/: renamed from a to b by ann – clearer$/);
  expect(said({ change: 'returned' })).toMatch(/: back, as it was read again$/);
  expect(said({ change: 'returned', by: 'ann' })).toMatch(/: put back into the fleet by ann$/);
  expect(said({ change: 'retired', by: 'ann', other: 7 })).toMatch(/: retired: it goes on as instance 7 by ann$/);
});

test('names and likenesses are sentences', () => {
  expect(sourceSentence({ ...source, until: '2026-03-01T11:30:00Z' }, 'utc', NOW)).toMatch(/^main, by collector c, since .*11:00.* until .*11:30/);
  expect(lookSentence({ id: 3, name: 'x', last_seen: null }, 'utc', NOW)).toBe('It looks like instance 3 (x).');
});
