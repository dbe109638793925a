import { useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from 'react';
import type { LockSession, Unmeasured } from '../api/model';
import { Foreign } from '../format/Foreign';
import { coarse, count, exact, text } from '../format/number';
import { Missing, Num } from '../format/Num';
import { visible } from '../format/visible';
import { Copy } from '../notices/Copy';
import { exactMoment, type Zone } from '../time/zone';
import { useRoom } from '../tables/useRoom';
import styles from './LockTree.module.css';
import { freeing, hasChildren, holds, unfolded, waitsFor } from './lockTree';

interface Props {
  sessions: LockSession[];
  unmeasured: Unmeasured;
  zone: Zone;
  outdated: boolean;
}

interface TreeColumn {
  title: string;
  /** In pixels; those without share what is left. */
  width?: number;
  numeric?: boolean;
  help: string;
  /** Where rows are stacked it stands on a line of its own. */
  whole?: boolean;
  cell: (session: LockSession) => ReactNode;
}

const SESSION_WIDTH = 184;

/** Deeper ones are not set in further: the depth is told to those who do not see it. */
const DEEPEST = 6;

function age(ms: number | null | undefined, since: string | null | undefined, zone: Zone, source: string, reason: string): ReactNode {
  if (ms == null) return <Missing reason={reason} />;
  const when = since == null ? '' : `\nsince ${exactMoment(Date.parse(since), zone)}`;
  return <Num figure={coarse(ms)} hint={`${exact(ms)} ms${when}\n${source}`} />;
}

function columns(zone: Zone, unmeasured: Unmeasured): TreeColumn[] {
  const why = (name: string, otherwise: string) => unmeasured[name]?.message ?? otherwise;
  return [
    { title: 'State', width: 136, help: 'pg_stat_activity.state, and for how long', cell: (one) => <State session={one} zone={zone} why={why('state', 'Not known.')} /> },
    { title: 'Waits for, holds', width: 264, help: 'pg_locks: mode and what the lock is on', whole: true, cell: (one) => <Locked session={one} /> },
    {
      title: 'Waiting', width: 84, numeric: true, help: 'pg_locks.waitstart',
      cell: (one) => (one.blocked_by.length === 0 ? <span data-hint="It waits for no lock.">no</span> : age(one.waiting_ms, one.waiting_since, zone, 'pg_locks.waitstart', why('waiting_since', 'It had only begun to wait.'))),
    },
    {
      title: 'Transaction', width: 92, numeric: true, help: 'Age of its transaction: pg_stat_activity.xact_start',
      cell: (one) => age(one.xact_age_ms, one.xact_start, zone, 'pg_stat_activity.xact_start', one.pid === 0 ? 'When a prepared transaction began is not kept, only when it was prepared.' : why('state', 'It was in no transaction, or this is not known.')),
    },
    { title: 'Blocks', width: 72, numeric: true, help: 'All that wait below it', cell: (one) => <Num figure={count(one.blocks)} hint={`${one.blocks} ${one.blocks === 1 ? 'session waits' : 'sessions wait'} for it, directly or behind others\npg_blocking_pids()`} /> },
    { title: 'Query', help: 'pg_stat_activity.query', whole: true, cell: (one) => <QueryText session={one} why={one.pid === 0 ? 'A prepared transaction has no session and runs nothing.' : why('query', 'It ran no statement.')} /> },
  ];
}

function State({ session, zone, why }: { session: LockSession; zone: Zone; why: string }) {
  const state = session.prepared == null ? session.state : 'prepared';
  const ms = session.prepared == null ? session.state_age_ms : session.prepared.prepared_ms;
  const since = session.prepared?.prepared_at;
  if (state == null) return <Missing reason={why} />;
  return (
    <>
      {state}
      {ms != null && (
        <div className={styles.second} data-hint={`${exact(ms)} ms${since == null ? '' : `\nsince ${exactMoment(Date.parse(since), zone)}`}`}>
          for {text(coarse(ms))}
        </div>
      )}
    </>
  );
}

/** What it waits for, then what it holds. */
function Locked({ session }: { session: LockSession }) {
  const waits = waitsFor(session);
  const held = holds(session);
  const unnamed = session.object_unnamed == null ? '' : `\n${session.object_unnamed}`;
  return (
    <>
      {waits !== null && (
        <div className={styles.clamped} data-hint={`It waits for ${waits}, behind ${behind(session)}.${unnamed}`}>
          waits for <Foreign text={waits} />
        </div>
      )}
      {held.length > 0 && (
        <div className={styles.clamped} data-hint={`It holds ${held.join(',\n')}.`}>
          holds <Foreign text={held.join(', ')} />
        </div>
      )}
    </>
  );
}

function behind(session: LockSession): string {
  const pids = session.blocked_by.filter((pid) => pid !== 0).map((pid) => `PID ${pid}`);
  const prepared = session.blocked_by_prepared.map((xid) => `prepared transaction ${xid}`);
  const unknown = session.blocked_by.includes(0) && prepared.length === 0 ? ['a prepared transaction'] : [];
  return [...pids, ...prepared, ...unknown].join(', ');
}

function QueryText({ session, why }: { session: LockSession; why: string }) {
  if (session.query_state === 'hidden') return <span className={styles.hidden}>Text hidden: it may hold a password.</span>;
  if (session.query == null) return <Missing reason={why} />;
  return (
    <code className={`${styles.clamped} ${styles.query}`} data-hint={session.query.slice(0, 600)}>
      <Foreign text={session.query} lines />
    </code>
  );
}

/** Who blocks whom, as a treegrid: up and down between rows, right and left open and fold, Enter shows the detail. */
export function LockTree({ sessions, unmeasured, zone, outdated }: Props) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState<string | null>(null);
  const [opened, setOpened] = useState<string | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const shown = unfolded(sessions, folded);
  const tabStop = shown.some((one) => one.key === active) ? active : (shown[0]?.key ?? null);
  const detail = sessions.find((one) => one.key === opened) ?? null;
  const head = columns(zone, unmeasured);
  const table = useRef<HTMLTableElement>(null);
  const [sessionWidth, ...widths] = useRoom(table, [
    { id: 'Session', width: SESSION_WIDTH, whole: false },
    ...head.map(({ title, width = 0, numeric = false }) => ({ id: title, width, whole: numeric })),
  ]);

  function fold(key: string, close: boolean) {
    const next = new Set(folded);
    if (close) next.add(key);
    else next.delete(key);
    setFolded(next);
  }

  function focus(index: number) {
    const row = shown[Math.max(0, Math.min(shown.length - 1, index))];
    if (row === undefined) return;
    setActive(row.key);
    body.current?.querySelector<HTMLElement>(`[data-key="${row.key}"]`)?.focus();
  }

  function press(event: KeyboardEvent, index: number) {
    const one = shown[index];
    // What is pressed on a button inside is the button's.
    if (one === undefined || event.target !== event.currentTarget) return;
    const parent = shown.slice(0, index).findLastIndex((above) => above.level < one.level);
    const open = hasChildren(sessions, sessions.indexOf(one)) && !folded.has(one.key);
    if (event.key === 'ArrowDown') focus(index + 1);
    else if (event.key === 'ArrowUp') focus(index - 1);
    else if (event.key === 'Home') focus(0);
    else if (event.key === 'End') focus(shown.length - 1);
    else if (event.key === 'ArrowRight' && folded.has(one.key)) fold(one.key, false);
    else if (event.key === 'ArrowRight' && open) focus(index + 1);
    else if (event.key === 'ArrowLeft' && open) fold(one.key, true);
    else if (event.key === 'ArrowLeft' && parent >= 0) focus(parent);
    else if (event.key === 'Enter' || event.key === ' ') setOpened(opened === one.key ? null : one.key);
    else return;
    event.preventDefault();
  }

  return (
    <>
      <div className={styles.box} data-outdated={outdated}>
        <table ref={table} role="treegrid" aria-label="Who blocks whom" className={styles.tree} aria-rowcount={shown.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col" style={{ width: sessionWidth }} data-hint="Process id, role and application">
                Session
              </th>
              {head.map((column, index) => (
                <th key={column.title} scope="col" style={{ width: column.width === undefined ? undefined : widths[index] }} data-numeric={column.numeric} data-hint={column.help}>
                  {column.title}
                  {column.title === 'Blocks' && <span aria-hidden="true"> ↓</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody ref={body}>
            {shown.map((one, index) => {
              const parent = hasChildren(sessions, sessions.indexOf(one));
              const open = !folded.has(one.key);
              return (
                <tr
                  key={one.key}
                  data-key={one.key}
                  style={{ '--depth': Math.min(one.level - 1, DEEPEST) } as CSSProperties}
                  aria-level={one.level}
                  aria-rowindex={index + 2}
                  aria-expanded={parent ? open : undefined}
                  aria-selected={opened === one.key}
                  tabIndex={tabStop === one.key ? 0 : -1}
                  onFocus={() => setActive(one.key)}
                  onKeyDown={(event) => press(event, index)}
                  onClick={() => setOpened(opened === one.key ? null : one.key)}
                >
                  <td role="gridcell" className={styles.session}>
                    <div className={styles.pid}>
                      <span
                        className={styles.sign}
                        aria-hidden="true"
                        onClick={(event) => {
                          event.stopPropagation();
                          if (parent) fold(one.key, open);
                        }}
                      >
                        {parent ? (open ? '▾' : '▸') : ''}
                      </span>
                      {one.pid === 0 ? <Foreign text={one.prepared?.gid ?? 'prepared'} /> : one.pid}
                      {one.circular && <span data-hint="It waits for itself: PostgreSQL is about to find a deadlock."> ⟳ deadlock</span>}
                    </div>
                    <div className={styles.who} data-hint={who(one)}>
                      <Foreign text={who(one)} />
                    </div>
                    {one.workers > 0 && (
                      <div className={styles.who} data-hint="They run a part of its statement: parallel workers that wait are their leader waiting.">
                        and {one.workers} parallel {one.workers === 1 ? 'worker' : 'workers'}
                      </div>
                    )}
                  </td>
                  {head.map((column) => (
                    <td key={column.title} role="gridcell" data-numeric={column.numeric} data-title={column.title} data-whole={column.whole}>
                      {column.cell(one)}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {detail !== null && <Detail session={detail} />}
    </>
  );
}

/** Its role and application. */
function who(session: LockSession): string {
  return [session.user, session.application_name].filter((part) => part != null).join(' · ');
}

/** One session: its whole statement, its locks, and the SQL that would free those behind it. It is copied, never run. */
function Detail({ session }: { session: LockSession }) {
  const { statements, note } = freeing(session);
  const title = session.pid === 0 ? `Prepared transaction${session.prepared?.gid == null ? '' : ` '${session.prepared.gid}'`}` : `Session ${session.pid}`;
  const waits = waitsFor(session);
  return (
    <section className={styles.detail} aria-label={visible(title)}>
      <h2><Foreign text={title} /></h2>
      <p>
        <Foreign text={[session.database, session.user, session.application_name, session.state].filter((part) => part != null).join(' · ')} />
        {session.prepared != null && ` · transaction ${session.prepared.xid}`}
      </p>
      {waits !== null && <p><Foreign text={`Waits for ${waits}, behind ${behind(session)}.`} /></p>}
      {session.object_unnamed != null && <p><Foreign text={session.object_unnamed} /></p>}
      {holds(session).length > 0 && <p><Foreign text={`Holds ${holds(session).join(', ')}.`} /></p>}
      {session.query != null && (
        <pre className={styles.whole} tabIndex={0} role="region" aria-label="Statement text">
          <Foreign text={session.query} lines />
        </pre>
      )}
      {statements.map((statement) => (
        <p key={statement}>
          <code><Foreign text={statement} /></code> <Copy text={statement} what={`the SQL: ${statement}`} />
        </p>
      ))}
      {note !== null && <p><Foreign text={note} /></p>}
    </section>
  );
}
