import { expect, test } from 'vitest';
import type { Locks, LockSession } from '../api/model';
import { freeingStatement, hasChildren, lockedThing, locksHeading, unfolded, waitsFor } from './lockTree';

function session(pid: number, level: number, more: Partial<LockSession> = {}): LockSession {
  return { pid, level, blocked_by: level === 1 ? [] : [1], blocks: 0, circular: false, blocked_by_prepared: [], holds_on: [], key: String(pid), workers: 0, ...more };
}

const LOCKS: Locks = {
  at: '2026-11-21T10:00:00Z',
  data: [],
  blocked: 2,
  blockers: 1,
  cut: false,
  oldest_wait_ms: 250_000,
  grid: { start: '2026-11-21T09:00:00Z', step_ms: 60_000, points: 1 },
  blocked_series: [null],
  blocked_at: [null],
  unmeasured: {},
  flagged_intervals: [],
  gaps: [],
};

test('the heading answers who is blocked, by how many, for how long', () => {
  expect(locksHeading(LOCKS, true).replaceAll('\u00a0', ' ')).toBe('2 blocked by 1, oldest 4 min 10 s');
  expect(locksHeading({ ...LOCKS, oldest_wait_ms: null }, true)).toBe('2 blocked by 1');
  expect(locksHeading({ ...LOCKS, blocked: 200, cut: true, oldest_wait_ms: null }, true)).toBe('200 or more blocked by 1');
  expect(locksHeading({ ...LOCKS, blocked: 0 }, true)).toBe('Nobody waits for a lock.');
  expect(locksHeading({ ...LOCKS, blocked: 0 }, false)).toBe('Nobody waited for a lock then.');
  expect(locksHeading({ ...LOCKS, at: null, blocked: null }, true)).toBe('Nothing was read at that moment.');
});

test('what is waited for has its mode and the best name there is', () => {
  expect(waitsFor(session(2, 2, { mode: 'AccessExclusiveLock', relation: 'stock', relid: 7 }))).toBe('AccessExclusive, stock');
  expect(waitsFor(session(2, 2, { mode: 'ShareLock', locktype: 'transactionid' }))).toBe('Share, transactionid');
  expect(waitsFor(session(1, 1, { relation: 'stock' }))).toBeNull();
  expect(lockedThing(session(2, 2, { relid: 7, locktype: 'relation' }))).toBe('relation 7');
});

test('what is copied frees the queue and is for one that has a process', () => {
  expect(freeingStatement(session(4711, 1, { state: 'active' }))).toBe('select pg_cancel_backend(4711);');
  // Nothing runs that could be cancelled.
  expect(freeingStatement(session(4711, 1, { state: 'idle in transaction' }))).toBe('select pg_terminate_backend(4711);');
  expect(freeingStatement(session(0, 1))).toBeNull();
});

test('folding hides all below and nothing beside', () => {
  const tree = [session(1, 1), session(2, 2), session(3, 3), session(4, 2), session(5, 1)];
  const pids = (folded: number[]) => unfolded(tree, new Set(folded)).map((one) => one.pid);
  expect(pids([])).toEqual([1, 2, 3, 4, 5]);
  expect(pids([2])).toEqual([1, 2, 4, 5]);
  expect(pids([1])).toEqual([1, 5]);
  expect(pids([1, 2, 5])).toEqual([1, 5]);
  expect(tree.map((_, index) => hasChildren(tree, index))).toEqual([true, true, false, false, false]);
});
