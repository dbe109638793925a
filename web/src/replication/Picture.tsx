import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Replication, WalReceiver } from '../api/model';
import { Foreign } from '../format/Foreign';
import { keepTime, type Search } from '../shell/search';
import styles from './Picture.module.css';
import { isIdle, lagWords, nameOf, ownLagWords, replayLag } from './replication';

/** A lag above this is a warning, here as in the fleet. */
const WARNING_MS = 30_000;

interface Props {
  replication: Replication;
  self: { id: number; name: string };
}

/** Who streams from whom: what this instance receives from, itself, and its standbys. */
export function Picture({ replication, self }: Props) {
  const { receiver, standbys, cluster, timeline, current_lsn: lsn } = replication;
  const shown = new Set([self.id, receiver?.upstream?.id, ...standbys.map((one) => one.instance?.id)]);
  const others = cluster.filter((one) => !shown.has(one.id));
  const position = lsn ?? receiver?.replayed_lsn ?? null;
  const facts = [timeline == null ? null : `TL ${timeline}`, position].filter((fact) => fact != null).join(' ');
  const here = <Node name={self.name} facts={facts} current />;
  if (receiver == null && standbys.length === 0 && others.length === 0) return null;
  return (
    <section className={styles.picture} aria-label="Who streams from whom">
      <ul>
        {receiver != null && (
          <Edge
            from={<Upstream receiver={receiver} />}
            how={receiver.connected ? (receiver.status ?? 'connected') : 'not connected'}
            to={here}
            lag={ownLagWords(receiver)}
            note={notes(receiver)}
            warning={!receiver.connected || (receiver.replay_lag_ms ?? 0) > WARNING_MS}
          />
        )}
        {standbys.map((one, index) => (
          <Edge
            key={`${one.pid ?? index}`}
            from={here}
            repeated={index > 0}
            how={one.sync_state ?? one.state ?? 'streaming'}
            to={<Node name={nameOf(one)} id={one.instance?.id} facts={one.state === 'streaming' ? '' : (one.state ?? '')} />}
            lag={lagWords(one)}
            note={one.receiver?.replay_paused === true ? 'replay is paused' : ''}
            warning={!isIdle(one) && (replayLag(one) ?? 0) > WARNING_MS}
          />
        ))}
      </ul>
      {others.length > 0 && (
        <p className={styles.others}>
          Also of this cluster:{' '}
          {others.map((one, index) => (
            <span key={one.id}>
              {index > 0 && ', '}
              <Name name={one.name} id={one.id} />
              {one.role == null ? '' : ` (${one.role})`}
            </span>
          ))}
        </p>
      )}
    </section>
  );
}

function notes(receiver: WalReceiver): string {
  const parts = [receiver.slot_name == null ? null : `slot ${receiver.slot_name}`, receiver.replay_paused === true ? 'replay is paused' : null];
  return parts.filter((part) => part != null).join(', ');
}

function Upstream({ receiver }: { receiver: WalReceiver }) {
  if (receiver.upstream != null) return <Node name={receiver.upstream.name} id={receiver.upstream.id} />;
  if (receiver.sender_host == null) return <Node name={receiver.connected ? 'not readable' : 'nobody'} />;
  return <Node name={receiver.sender_port == null ? receiver.sender_host : `${receiver.sender_host}:${receiver.sender_port}`} facts="not monitored, or not matched" />;
}

interface EdgeProps {
  from: ReactNode;
  /** The one above begins at the same instance. */
  repeated?: boolean;
  how: string;
  to: ReactNode;
  lag: string;
  note: string;
  warning: boolean;
}

function Edge({ from, repeated = false, how, to, lag, note, warning }: EdgeProps) {
  return (
    <li>
      <span className={styles.from} data-repeated={repeated}>
        {from}
      </span>
      <span className={styles.arrow}>
        <span className={styles.how}><Foreign text={how} /></span>
        <span aria-hidden="true">→</span>
      </span>
      {to}
      <span className={styles.lag} data-warning={warning} data-hint="Write / flush / replay lag, and bytes that are not replayed" tabIndex={0}>
        {warning && <span aria-hidden="true">▲ </span>}
        {lag}
      </span>
      <span className={styles.note}><Foreign text={note} /></span>
    </li>
  );
}

function Node({ name, id, facts = '', current = false }: { name: string; id?: number | undefined; facts?: string; current?: boolean }) {
  return (
    <span className={styles.node} data-current={current}>
      <Name name={name} id={id} />
      {facts !== '' && <span className={styles.facts}><Foreign text={facts} /></span>}
    </span>
  );
}

function Name({ name, id }: { name: string; id?: number | undefined }) {
  if (id === undefined) return <strong><Foreign text={name} /></strong>;
  return (
    <Link to="/instances/$instanceId" params={{ instanceId: String(id) }} search={(old: Search) => keepTime(old)}>
      <Foreign text={name} />
    </Link>
  );
}
