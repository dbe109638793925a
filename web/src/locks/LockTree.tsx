import { useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import type { LockSession, Unmeasured } from '../api/model';
import { coarse, count, exact } from '../format/number';
import { Missing, Num } from '../format/Num';
import { Copy } from '../notices/Copy';
import { exactMoment, type Zone } from '../time/zone';
import styles from './LockTree.module.css';
import { freeingStatement, hasChildren, modeName, unfolded, waitsFor } from './lockTree';

interface Props {
  sessions: LockSession[];
  unmeasured: Unmeasured;
  zone: Zone;
  outdated: boolean;
}

interface TreeColumn {
  title: string;
  width: number;
  numeric?: boolean;
  help: string;
  cell: (session: LockSession) => ReactNode;
}

const INDENT = 16;

function age(ms: number | null | undefined, since: string | null | undefined, zone: Zone, source: string, reason: string): ReactNode {
  if (ms == null) return <Missing reason={reason} />;
  const when = since == null ? '' : `\nsince ${exactMoment(Date.parse(since), zone)}`;
  return <Num figure={coarse(ms)} hint={`${exact(ms)} ms${when}\n${source}`} />;
}

function columns(zone: Zone, unmeasured: Unmeasured): TreeColumn[] {
  const why = (name: string, otherwise: string) => unmeasured[name]?.message ?? otherwise;
  return [
    { title: 'User', width: 96, help: 'pg_stat_activity.usename', cell: (one) => one.user ?? <Missing reason="A prepared transaction, or not known." /> },
    { title: 'Application', width: 120, help: 'pg_stat_activity.application_name', cell: (one) => one.application_name ?? <Missing reason="It gave itself no name." /> },
    {
      title: 'State', width: 150, help: 'pg_stat_activity.state',
      cell: (one) => (one.state == null ? <Missing reason={why('state', 'A prepared transaction, or not known.')} /> : <span data-hint={one.state_age_ms == null ? undefined : `for ${exact(one.state_age_ms / 1000)} s`}>{one.state}</span>),
    },
    {
      title: 'Waits for', width: 220, help: 'pg_locks: mode and relation',
      cell: (one) => {
        const waits = waitsFor(one);
        if (waits !== null) return <span data-hint={`${waits}\nblocked by ${one.blocked_by.join(', ')}`}>{waits}</span>;
        return one.holds == null ? '' : <span className={styles.holds} data-hint={`It holds ${one.holds}.`}>holds {modeName(one.holds)}</span>;
      },
    },
    {
      title: 'Waiting', width: 92, numeric: true, help: 'pg_locks.waitstart',
      cell: (one) => (one.blocked_by.length === 0 ? '' : age(one.waiting_ms, one.waiting_since, zone, 'pg_locks.waitstart', why('waiting_since', 'It had only begun to wait.'))),
    },
    {
      title: 'Transaction', width: 104, numeric: true, help: 'Age of its transaction: pg_stat_activity.xact_start',
      cell: (one) => age(one.xact_age_ms, one.xact_start, zone, 'pg_stat_activity.xact_start', why('state', 'Not known for prepared transactions.')),
    },
    { title: 'Blocks', width: 72, numeric: true, help: 'All that wait below it', cell: (one) => <Num figure={count(one.blocks)} hint={`${one.blocks} ${one.blocks === 1 ? 'session waits' : 'sessions wait'} for it, directly or behind others\npg_blocking_pids()`} /> },
    { title: 'Query', width: 320, help: 'pg_stat_activity.query', cell: (one) => <QueryText session={one} why={why('query', 'It ran no statement.')} /> },
  ];
}

function QueryText({ session, why }: { session: LockSession; why: string }) {
  if (session.query_state === 'hidden') return <span className={styles.hidden}>Text hidden: it may hold a password.</span>;
  if (session.query == null) return <Missing reason={why} />;
  return (
    <code className={styles.query} data-hint={session.query.slice(0, 600)}>
      {session.query}
    </code>
  );
}

/** Who blocks whom, as a treegrid: up and down between rows, right and left open and fold, Enter shows the detail. */
export function LockTree({ sessions, unmeasured, zone, outdated }: Props) {
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [active, setActive] = useState<number | null>(null);
  const [opened, setOpened] = useState<number | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const shown = unfolded(sessions, folded);
  const tabStop = shown.some((one) => one.pid === active) ? active : (shown[0]?.pid ?? null);
  const detail = sessions.find((one) => one.pid === opened) ?? null;
  const head = columns(zone, unmeasured);

  function fold(pid: number, close: boolean) {
    const next = new Set(folded);
    if (close) next.add(pid);
    else next.delete(pid);
    setFolded(next);
  }

  function focus(index: number) {
    const row = shown[Math.max(0, Math.min(shown.length - 1, index))];
    if (row === undefined) return;
    setActive(row.pid);
    body.current?.querySelector<HTMLElement>(`[data-pid="${row.pid}"]`)?.focus();
  }

  function press(event: KeyboardEvent, index: number) {
    const one = shown[index];
    // What is pressed on a button inside is the button's.
    if (one === undefined || event.target !== event.currentTarget) return;
    const parent = shown.slice(0, index).findLastIndex((above) => above.level < one.level);
    const open = hasChildren(sessions, sessions.indexOf(one)) && !folded.has(one.pid);
    if (event.key === 'ArrowDown') focus(index + 1);
    else if (event.key === 'ArrowUp') focus(index - 1);
    else if (event.key === 'Home') focus(0);
    else if (event.key === 'End') focus(shown.length - 1);
    else if (event.key === 'ArrowRight' && folded.has(one.pid)) fold(one.pid, false);
    else if (event.key === 'ArrowRight' && open) focus(index + 1);
    else if (event.key === 'ArrowLeft' && open) fold(one.pid, true);
    else if (event.key === 'ArrowLeft' && parent >= 0) focus(parent);
    else if (event.key === 'Enter' || event.key === ' ') setOpened(opened === one.pid ? null : one.pid);
    else return;
    event.preventDefault();
  }

  return (
    <>
      <div className={styles.box} data-outdated={outdated}>
        <table role="treegrid" aria-label="Who blocks whom" className={styles.tree} aria-rowcount={shown.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col" style={{ width: 168 }} data-hint="Process id">
                PID
              </th>
              {head.map((column) => (
                <th key={column.title} scope="col" style={{ width: column.width }} data-numeric={column.numeric} data-hint={column.help}>
                  {column.title}
                  {column.title === 'Blocks' && <span aria-hidden="true"> ↓</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody ref={body}>
            {shown.map((one, index) => {
              const parent = hasChildren(sessions, sessions.indexOf(one));
              const open = !folded.has(one.pid);
              return (
                <tr
                  key={one.pid}
                  data-pid={one.pid}
                  aria-level={one.level}
                  aria-rowindex={index + 2}
                  aria-expanded={parent ? open : undefined}
                  aria-selected={opened === one.pid}
                  tabIndex={tabStop === one.pid ? 0 : -1}
                  onFocus={() => setActive(one.pid)}
                  onKeyDown={(event) => press(event, index)}
                  onClick={() => setOpened(opened === one.pid ? null : one.pid)}
                >
                  <td role="gridcell">
                    <span className={styles.pid} style={{ paddingLeft: (one.level - 1) * INDENT }}>
                      <span
                        className={styles.sign}
                        aria-hidden="true"
                        onClick={(event) => {
                          event.stopPropagation();
                          if (parent) fold(one.pid, open);
                        }}
                      >
                        {parent ? (open ? '▾' : '▸') : ''}
                      </span>
                      {one.pid === 0 ? 'prepared' : one.pid}
                      {one.circular && <span data-hint="It waits for itself: PostgreSQL is about to find a deadlock."> ⟳ deadlock</span>}
                    </span>
                  </td>
                  {head.map((column) => (
                    <td key={column.title} role="gridcell" data-numeric={column.numeric}>
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

/** One session: its whole statement, and the SQL that would free those behind it. It is copied, never run. */
function Detail({ session }: { session: LockSession }) {
  const statement = freeingStatement(session);
  return (
    <section className={styles.detail} aria-label={`Session ${session.pid}`}>
      <h2>{session.pid === 0 ? 'Prepared transaction' : `Session ${session.pid}`}</h2>
      <p>
        {[session.database, session.user, session.application_name, session.state].filter((part) => part != null).join(' · ')}
      </p>
      {session.query != null && (
        <pre className={styles.whole} tabIndex={0} role="region" aria-label="Statement text">
          {session.query}
        </pre>
      )}
      {statement === null ? (
        <p>
          <code>select gid, prepared, owner, database from pg_prepared_xacts order by prepared;</code> shows which one it is.
        </p>
      ) : (
        <p>
          <code>{statement}</code> <Copy text={statement} what={`the SQL for ${session.pid}`} />
          {session.state?.startsWith('idle') === true && ' It runs no statement that could be cancelled: only ending its session frees its locks.'}
        </p>
      )}
    </section>
  );
}
