import type { Receiver, Standby } from '../api/model';
import { Foreign } from '../format/Foreign';
import { bytes, coarse, exact, text } from '../format/number';
import { Missing, Num } from '../format/Num';
import { InstanceLink } from '../instance/InstanceLink';
import type { Column } from '../tables/column';
import { exactMoment, type Zone } from '../time/zone';
import { isIdle, nameOf, replayLag } from './replication';

function lag(id: string, title: string, source: string, value: (row: Standby) => number | null | undefined): Column<Standby> {
  return {
    id, title, width: 96, numeric: true, unitSlot: 4, unit: 'ms', value, help: source,
    cell: (row) => {
      const ms = value(row);
      if (isIdle(row)) return <Missing reason="Idle: nothing was written since the standby caught up." />;
      if (ms != null) return <Num figure={coarse(ms)} hint={`${exact(ms)} ms\n${source}`} />;
      return <Missing reason="Not measured by this standby." />;
    },
  };
}

export function behind<Row extends Standby | Receiver>(
  id: string, title: string, lsn: string, value: (row: Row) => number | null | undefined, idle: (row: Row) => boolean = () => false,
): Column<Row> {
  return {
    id, title, width: 126, numeric: true, unit: 'bytes', value,
    help: `Bytes between the current LSN and pg_stat_replication.${lsn}`,
    cell: (row) => {
      const size = value(row);
      if (size == null) return <Missing reason="No position was reported." />;
      const hint = `${exact(size)} bytes behind\npg_stat_replication.${lsn}`;
      return <span data-hint={hint}>{size === 0 && idle(row) ? '0 B, idle' : text(bytes(size))}</span>;
    },
  };
}

export function lastMessage<Row extends Standby | Receiver>(id: string, whose: string, zone: Zone): Column<Row> {
  return {
    id, title: 'Last message', width: 124, whole: true, value: (row) => row.last_message_at,
    help: `pg_stat_replication.reply_time, by the ${whose}’s clock`,
    cell: (row) => (typeof row.last_message_at === 'string' ? exactMoment(Date.parse(row.last_message_at), zone) : <Missing reason="It has sent none yet." />),
  };
}

function Name({ row }: { row: Standby }) {
  if (row.instance != null) return <InstanceLink instance={row.instance} />;
  return <span data-hint={`${row.client_addr ?? 'local socket'}\nNot matched to a monitored instance.`}><Foreign text={nameOf(row)} /></span>;
}

export function standbyColumns(zone: Zone): Column<Standby>[] {
  return [
    { id: 'standby', title: 'Standby', width: 150, grow: true, value: nameOf, cell: (row) => <Name row={row} /> },
    { id: 'state', title: 'State', width: 96, value: (row) => row.state, cell: (row) => row.state ?? <Missing reason="Not readable." /> },
    { id: 'sync', title: 'Sync', width: 80, value: (row) => row.sync_state, cell: (row) => row.sync_state ?? <Missing reason="Not readable." /> },
    lag('write_lag', 'Write lag', 'pg_stat_replication.write_lag', (row) => row.write_lag_ms),
    lag('flush_lag', 'Flush lag', 'pg_stat_replication.flush_lag', (row) => row.flush_lag_ms),
    lag('replay_lag', 'Replay lag', 'pg_stat_replication.replay_lag, how long something has been waiting to be replayed, or what the standby says itself: the longest', replayLag),
    behind('sent_behind', 'Sent behind', 'sent_lsn', (row) => row.sent_behind_bytes, isIdle),
    behind('write_behind', 'Write behind', 'write_lsn', (row) => row.write_behind_bytes, isIdle),
    behind('flush_behind', 'Flush behind', 'flush_lsn', (row) => row.flush_behind_bytes, isIdle),
    behind('replay_behind', 'Replay behind', 'replay_lsn', (row) => row.replay_behind_bytes, isIdle),
    lastMessage('last_message', 'standby', zone),
  ];
}
