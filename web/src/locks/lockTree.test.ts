import { expect, test } from 'vitest';
import type { Locks, LockSession } from '../api/model';
import { freeing, hasChildren, holds, locksHeading, unfolded, waitsFor } from './lockTree';

function session(pid: number, level: number, more: Partial<LockSession> = {}): LockSession {
  return { pid, level, blocked_by: level === 1 ? [] : [1], blocks: 0, circular: false, blocked_by_prepared: [], holds_on: [], key: String(pid), workers: 0, ...more };
}

const LOCKS: Locks = {
  at: '2026-11-21T10:00:00Z',
  data: [session(1, 1), session(2, 2), session(3, 1), session(4, 2)],
  blocked: 2,
  blockers: 2,
  cut: false,
  oldest_wait_ms: 250_000,
  grid: { start: '2026-11-21T09:00:00Z', step_ms: 60_000, points: 1 },
  blocked_series: [null],
  blocked_at: [null],
  unmeasured: {},
  flagged_intervals: [],
  gaps: [],
};
const PREPARED = session(0, 1, {
  key: 'xid 81', database: 'shop', user: 'app', prepared: { xid: 81, gid: "order 7 of o'brien", prepared_ms: 660_000 },
});

const heading = (more: Partial<Locks>, isNow = true) => locksHeading({ ...LOCKS, ...more }, isNow).replaceAll('\u00a0', ' ');

test('the heading answers who is blocked, by whom, for how long', () => {
  expect(heading({})).toBe('2 blocked by 2, oldest 4 min 10 s');
  expect(heading({ oldest_wait_ms: null })).toBe('2 blocked by 2');
  expect(heading({ blocked: 200, cut: true, oldest_wait_ms: null })).toBe('200 or more blocked by 2');
  const one = { blocked: 1, blockers: 1, data: [session(675, 1, { state: 'idle in transaction' }), session(2, 2)] };
  expect(heading(one)).toBe('1 blocked for 4 min 10 s by PID 675, idle in transaction');
  expect(heading({ ...one, oldest_wait_ms: null })).toBe('1 blocked by PID 675, idle in transaction');
  expect(heading({ ...one, data: [PREPARED, session(2, 2)] })).toBe("1 blocked for 4 min 10 s by the prepared transaction 'order 7 of o'brien'");
  expect(heading({ blocked: 0, data: [] })).toBe('Nobody waits for a lock.');
  expect(heading({ blocked: 0, data: [] }, false)).toBe('Nobody waited for a lock then.');
  expect(heading({ at: null, blocked: null, data: [] })).toBe('Nothing was read at that moment.');
});

test('what is waited for has its mode and its name', () => {
  expect(waitsFor(session(2, 2, { mode: 'AccessExclusiveLock', locktype: 'relation', object: 'public.stock in shop' }))).toBe('AccessExclusive on public.stock in shop');
  // Released between two looks.
  expect(waitsFor(session(2, 2))).toBe('a lock that was not read');
  expect(waitsFor(session(1, 1, { object: 'public.stock in shop' }))).toBeNull();
});

test('what is held tells the tables before the transaction that others wait for', () => {
  const own = { mode: 'ExclusiveLock', object: 'its transaction 81', wanted: true };
  const stock = { mode: 'RowExclusiveLock, ShareLock', object: 'public.stock in shop', relid: 7, wanted: false };
  expect(holds(session(1, 1, { holds: 'ExclusiveLock', holds_on: [own, stock] }))).toEqual(['RowExclusive, Share on public.stock in shop', 'Exclusive on its transaction 81']);
  // An older store tells the modes only.
  expect(holds(session(1, 1, { holds: 'ExclusiveLock' }))).toEqual(['Exclusive']);
  expect(holds(session(3, 3))).toEqual([]);
});

test('what is copied frees the queue: of one that has a process, and of one that has none', () => {
  expect(freeing(session(4711, 1, { state: 'active' })).statements).toEqual(['select pg_cancel_backend(4711);']);
  // Nothing runs that could be cancelled.
  expect(freeing(session(4711, 1, { state: 'idle in transaction' })).statements).toEqual(['select pg_terminate_backend(4711);']);
  const prepared = freeing(PREPARED);
  expect(prepared.statements).toEqual(["commit prepared 'order 7 of o''brien';", "rollback prepared 'order 7 of o''brien';"]);
  const turned = freeing({ ...PREPARED, prepared: PREPARED.prepared == null ? null : { ...PREPARED.prepared, gid: "o'\u202e\\" } });
  expect(turned.statements[0]).toBe("commit prepared E'o''\\U0000202e\\\\';");
  expect(prepared.note).toContain('in the database shop by app or a superuser');
  expect(freeing(session(0, 1)).statements).toEqual(['select gid, prepared, owner, database from pg_prepared_xacts order by prepared;']);
});

test('folding hides all below and nothing beside, also of prepared transactions', () => {
  const tree = [session(1, 1), session(2, 2), session(3, 3), session(4, 2), PREPARED, session(5, 2), session(0, 1, { key: 'xid 82' }), session(6, 2)];
  const shown = (folded: string[]) => unfolded(tree, new Set(folded)).map((one) => one.key);
  expect(shown([])).toEqual(['1', '2', '3', '4', 'xid 81', '5', 'xid 82', '6']);
  expect(shown(['2'])).toEqual(['1', '2', '4', 'xid 81', '5', 'xid 82', '6']);
  expect(shown(['1', 'xid 81'])).toEqual(['1', 'xid 81', 'xid 82', '6']);
  expect(tree.map((_, index) => hasChildren(tree, index))).toEqual([true, true, false, false, true, false, true, false]);
});
