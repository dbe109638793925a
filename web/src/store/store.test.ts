import { expect, test } from 'vitest';
import type { Job, Jobs, KeptTier, Retention, StoreSizes } from '../api/model';
import { changeSentence, daysOf, doneText, keptLines, nextText, progressSentence, storeHeading } from './store';

const NOW = Date.parse('2026-11-21T11:00:00Z');
const GIB = 2 ** 30;
const sizes = (more: Partial<StoreSizes> = {}): StoreSizes => ({
  bytes: 12 * GIB, bytes_per_day: 240 * 2 ** 20, since: '2026-11-01T00:00:00Z', noted_at: '2026-11-21T00:00:00Z',
  disk: { size_bytes: 100 * GIB, free_bytes: 24 * GIB, full_at: '2027-03-03T00:00:00Z' },
  sets: [{ set: 'wal', tiers: [{ tier: 'raw', bytes: 5, rows: 1, bytes_per_day: -3 }] }],
  others: { bytes: 1, bytes_per_day: 0 }, instances: [], history: [], ...more,
});
const job = (more: Partial<Job> = {}): Job => ({
  name: 'roll_up', help: 'Makes figures.', interval_seconds: 10, state: 'waiting', holder: null, host: 'a',
  started_at: null, finished_at: null, duration_ms: null, done: null, error: null, error_at: null, failures: 0,
  next_at: '2026-11-21T11:00:07Z', ...more,
});
const jobs = (...data: Job[]): Jobs => ({ data });
const kept = (tier: KeptTier['tier'], days: number): KeptTier => ({
  tier, days, default_days: days, partitions: 1, bytes: 100, expired_bytes: 0, oldest_end: null,
});
const retention = (raw: number, minutes: number, freed = 0): Retention => ({
  data: [{ set: 'wal', tiers: [kept('raw', raw), kept('5m', minutes)] }],
  shared: [{ set: 'cuts', tiers: [kept('raw', 30)] }], bytes: 0, expired_bytes: 0, freed_bytes: freed,
});

test('the heading says what it takes, how that grows, and until when there is room', () => {
  expect(storeHeading(null, null, 'utc', NOW)).toBe('Store');
  expect(storeHeading(jobs(job()), sizes(), 'utc', NOW)).toBe(
    'The store takes 12\u00a0GiB and 240\u00a0MiB a day more; its disk is full on 3 Mar 2027',
  );
  const young = sizes({ bytes_per_day: null, disk: { size_bytes: null, free_bytes: null, full_at: null } });
  expect(storeHeading(jobs(job()), young, 'utc', NOW)).toBe('The store takes 12\u00a0GiB');
  const still = sizes({ bytes_per_day: 0, disk: { size_bytes: 1, free_bytes: 1, full_at: null } });
  expect(storeHeading(jobs(), still, 'utc', NOW)).toBe('The store takes 12\u00a0GiB, and does not grow');
});

test('what fails comes first', () => {
  const failing = jobs(job({ failures: 3, state: 'failed' }), job({ name: 'retention', failures: 1, state: 'failed' }));
  expect(storeHeading(failing, sizes(), 'utc', NOW)).toMatch(/^roll_up, retention fail; the store takes /);
  expect(storeHeading(jobs(job({ failures: 1 })), null, 'utc', NOW)).toBe('roll_up fails; the store');
});

test('what a run did and when the next one is', () => {
  const finished_at = '2026-11-21T10:59:57Z';
  expect(doneText(job())).toBeNull();
  expect(doneText(job({ finished_at, done: { buckets: 57 } }))).toBe('57 buckets made');
  expect(doneText(job({ finished_at, done: { sheep_counted: 2 } }))).toBe('2 sheep counted');
  const held = (partitions_held_back: number) => doneText(job({ finished_at, done: { partitions_dropped: 3, partitions_held_back } }));
  expect([held(0), held(1)]).toEqual(['3 partitions dropped', '3 partitions dropped, 1 held back by who reads them']);
  expect(nextText(job(), NOW)).toBe('in 7\u00a0s');
  expect(nextText(job({ next_at: '2026-11-21T10:00:00Z' }), NOW)).toBe('now');
  expect(nextText(job({ state: 'running' }), NOW)).toBe('now');
  expect(nextText(job({ state: 'overdue', next_at: new Date(NOW - 120_000).toISOString() }), NOW)).toBe('2 min ago');
});

test('progress of tiers says how much is left and how far back', () => {
  const due = [
    { tier: '5m', count: 1204, oldest: '2026-11-12T10:00:00Z', newest: '2026-11-21T10:55:00Z' },
    { tier: '1h', count: 0, oldest: null, newest: null },
  ];
  expect(progressSentence(jobs(job({ due })), 'utc', NOW)).toBe(
    'To be made, the newest first: 5m: 1,204 back to 12 Nov 10:00:00. Until then answers come from finer rows.',
  );
  expect(progressSentence(jobs(job({ due: due.slice(1) })), 'utc', NOW)).toBeNull();
});

test('a line for each tier, with its growth where that is known', () => {
  const lines = keptLines(retention(7, 90), sizes());
  expect(lines.map((line) => [line.set, line.kept.tier, line.shared, line.growth])).toEqual([
    ['wal', 'raw', false, -3],
    ['wal', '5m', false, null],
    ['cuts', 'raw', true, null],
  ]);
  expect(keptLines(retention(7, 90), null)[0]?.growth).toBeNull();
});

test('days are whole', () => {
  expect([' 30 ', '0', '1.5', '', '-1', '1e3', 'ten'].map(daysOf)).toEqual([30, 0, null, null, null, null, null]);
});

test('a change says what goes and what follows', () => {
  expect(changeSentence(retention(7, 90), retention(100, 100), 'wal', 'raw')).toBe(
    'Nothing would go now. Others follow: wal, 5 minutes: 90 → 100 days.',
  );
  expect(changeSentence(retention(7, 90), retention(3, 90, 2048), 'wal', 'raw')).toBe('2\u00a0KiB would go, for good.');
});
