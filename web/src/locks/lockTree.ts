/** What the page says of who blocks whom. Pure. */
import type { Locks, LockSession } from '../api/model';
import { coarse, text } from '../format/number';
import { unseen, writtenOut } from '../format/visible';

/** Of now, or of a moment that is gone by. */
export function nobodyWaits(isNow: boolean): string {
  return isNow ? 'Nobody waits for a lock.' : 'Nobody waited for a lock then.';
}

/** `2 blocked for 4 min by PID 675, idle in transaction`; of several blockers `3 blocked by 2, oldest 4 min`. */
export function locksHeading(locks: Locks, isNow: boolean): string {
  if (locks.blocked == null) return 'Nothing was read at that moment.';
  if (locks.blocked === 0) return nobodyWaits(isNow);
  const blocked = `${locks.blocked}${locks.cut ? ' or more' : ''} blocked`;
  const oldest = locks.oldest_wait_ms == null ? null : text(coarse(locks.oldest_wait_ms));
  const roots = locks.data.filter((one) => one.level === 1);
  const [root] = roots;
  if (root === undefined || roots.length > 1) {
    return `${blocked} by ${locks.blockers ?? roots.length}${oldest === null ? '' : `, oldest ${oldest}`}`;
  }
  const state = root.state == null ? '' : `, ${root.state}`;
  return `${blocked}${oldest === null ? '' : ` for ${oldest}`} by ${named(root)}${state}`;
}

/** `PID 675`, `the prepared transaction 'order 7'`. */
export function named(session: LockSession): string {
  if (session.pid !== 0) return `PID ${session.pid}`;
  return session.prepared?.gid == null ? 'a prepared transaction' : `the prepared transaction '${session.prepared.gid}'`;
}

/** `AccessExclusive` of `AccessExclusiveLock`. */
export function modeName(mode: string): string {
  return mode
    .split(', ')
    .map((one) => one.replace(/Lock$/, ''))
    .join(', ');
}

/** `AccessExclusive on public.stock in shop`; null for one that waits for nothing. */
export function waitsFor(session: LockSession): string | null {
  if (session.blocked_by.length === 0) return null;
  const object = session.object ?? session.locktype ?? 'a lock that was not read';
  return session.mode == null ? object : `${modeName(session.mode)} on ${object}`;
}

/** What it holds, in the same words. Those that others wait for, if there are any, are what the reader looks for. */
export function holds(session: LockSession): string[] {
  const wanted = session.holds_on.filter((held) => held.wanted && held.relid == null);
  const relations = session.holds_on.filter((held) => held.relid != null);
  // A transaction is waited for because of the tables that it changed.
  const told = [...relations, ...wanted].map((held) => `${modeName(held.mode)} on ${held.object}`);
  return told.length === 0 && session.holds != null ? [modeName(session.holds)] : told;
}

/** What frees those behind a session: SQL that a person may run, and that no page of ours ever does. */
export interface Freeing {
  statements: string[];
  /** What is to be known before. */
  note: string | null;
}

/** A string as SQL takes it; what is not seen is written out. */
function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return unseen(text, false).length === 0 ? `'${doubled}'` : `E'${writtenOut(doubled.replaceAll('\\', '\\\\'), (hex) => `\\U00${hex}`)}'`;
}

/** A statement can be cancelled, an idle session only ended, and a prepared transaction is ended from anywhere. */
export function freeing(session: LockSession): Freeing {
  if (session.pid !== 0) {
    if (session.state?.startsWith('idle') !== true) return { statements: [`select pg_cancel_backend(${session.pid});`], note: null };
    return {
      statements: [`select pg_terminate_backend(${session.pid});`],
      note: 'It runs no statement that could be cancelled: only ending its session frees its locks.',
    };
  }
  const gid = session.prepared?.gid;
  if (gid == null) {
    return {
      statements: ['select gid, prepared, owner, database from pg_prepared_xacts order by prepared;'],
      note: 'Which prepared transaction it is was not read; this lists them.',
    };
  }
  const quoted = literal(gid);
  return {
    statements: [`commit prepared ${quoted};`, `rollback prepared ${quoted};`],
    note: `It has no session and waits for one of these, run in ${session.database == null ? 'its database' : `the database ${session.database}`} by ${session.user == null ? 'its owner' : session.user} or a superuser. Which one is right, the program that prepared it knows.`,
  };
}

/** Rows that are shown while some are folded: what is below a folded one is not. */
export function unfolded(sessions: LockSession[], folded: ReadonlySet<string>): LockSession[] {
  let hiddenBelow: number | null = null;
  return sessions.filter((session) => {
    if (hiddenBelow !== null && session.level > hiddenBelow) return false;
    hiddenBelow = folded.has(session.key) ? session.level : null;
    return true;
  });
}

export function hasChildren(sessions: LockSession[], index: number): boolean {
  return (sessions[index + 1]?.level ?? 0) > (sessions[index]?.level ?? 0);
}
