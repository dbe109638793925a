/** What the page says of who blocks whom. Pure. */
import type { Locks, LockSession } from '../api/model';
import { coarse, text } from '../format/number';

/** Of now, or of a moment that is gone by. */
export function nobodyWaits(isNow: boolean): string {
  return isNow ? 'Nobody waits for a lock.' : 'Nobody waited for a lock then.';
}

/** `2 blocked by 1, oldest 4 min` */
export function locksHeading(locks: Locks, isNow: boolean): string {
  if (locks.blocked == null) return 'Nothing was read at that moment.';
  if (locks.blocked === 0) return nobodyWaits(isNow);
  const oldest = locks.oldest_wait_ms == null ? '' : `, oldest ${text(coarse(locks.oldest_wait_ms))}`;
  return `${locks.blocked}${locks.cut ? ' or more' : ''} blocked by ${locks.blockers ?? 0}${oldest}`;
}

/** `AccessExclusive` of `AccessExclusiveLock`. */
export function modeName(mode: string): string {
  return mode
    .split(', ')
    .map((one) => one.replace(/Lock$/, ''))
    .join(', ');
}

/** The thing that is locked: a relation's name, else its oid, else what kind of thing. */
export function lockedThing(session: LockSession): string {
  if (session.relation != null) return session.relation;
  if (session.relid != null) return `relation ${session.relid}`;
  return session.locktype ?? '';
}

/** `AccessExclusive, stock`; null for one that waits for nothing. */
export function waitsFor(session: LockSession): string | null {
  if (session.blocked_by.length === 0) return null;
  return [session.mode == null ? '' : modeName(session.mode), lockedThing(session)].filter((part) => part !== '').join(', ');
}

/** The statement that a person may run, and that no page of ours ever does. */
export function cancelStatement(session: LockSession): string {
  return `select pg_cancel_backend(${session.pid});`;
}

/** One that is idle has nothing to cancel: only ending its session frees its locks. */
export function terminateStatement(session: LockSession): string {
  return `select pg_terminate_backend(${session.pid});`;
}

/** The statement that would free those behind this session; a prepared transaction has no process. */
export function freeingStatement(session: LockSession): string | null {
  if (session.pid === 0) return null;
  return session.state?.startsWith('idle') === true ? terminateStatement(session) : cancelStatement(session);
}

/** Rows that are shown while some are folded: what is below a folded one is not. */
export function unfolded(sessions: LockSession[], folded: ReadonlySet<number>): LockSession[] {
  let hiddenBelow: number | null = null;
  return sessions.filter((session) => {
    if (hiddenBelow !== null && session.level > hiddenBelow) return false;
    hiddenBelow = folded.has(session.pid) ? session.level : null;
    return true;
  });
}

export function hasChildren(sessions: LockSession[], index: number): boolean {
  return (sessions[index + 1]?.level ?? 0) > (sessions[index]?.level ?? 0);
}
