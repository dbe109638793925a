import { useParams } from '@tanstack/react-router';
import { queryString } from '../api/client';
import type { InstanceDetail, Replication, Standby } from '../api/model';
import { between, useReads } from '../api/useReads';
import { bytes, coarse, exact, text } from '../format/number';
import { Missing, Num } from '../format/Num';
import { ReadProblem } from '../notices/ReadProblem';
import { parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { exactMoment, type Zone } from '../time/zone';
import { InstanceFrame, shortestInterval } from './InstanceFrame';

interface Reads {
  instance: InstanceDetail;
  replication: Replication;
}

const BY_REPLAY: Sort = { id: 'replay_behind', descending: true };

function lag(id: string, title: string, source: string, value: (row: Standby) => number | null | undefined): Column<Standby> {
  return {
    id, title, width: 96, numeric: true, unitSlot: 4, unit: 'ms', value,
    help: `pg_stat_replication.${source}`,
    cell: (row) => {
      const ms = value(row);
      if (ms != null) return <Num figure={coarse(ms)} hint={`${exact(ms)} ms\npg_stat_replication.${source}`} />;
      return <Missing reason={row.idle === true ? 'Idle: nothing was written since the standby caught up.' : 'Not measured by this standby.'} />;
    },
  };
}

function behind(id: string, title: string, lsn: string, value: (row: Standby) => number | null | undefined): Column<Standby> {
  return {
    id, title, width: 126, numeric: true, unit: 'bytes', value,
    help: `Bytes between the current LSN and ${lsn}`,
    cell: (row) => {
      const size = value(row);
      if (size == null) return <Missing reason="No position was reported." />;
      const hint = `${exact(size)} bytes behind\npg_stat_replication.${lsn}`;
      return <span data-hint={hint}>{size === 0 && row.idle === true ? '0 B, idle' : text(bytes(size))}</span>;
    },
  };
}

function columns(zone: Zone): Column<Standby>[] {
  return [
    { id: 'standby', title: 'Standby', width: 150, grow: true, value: (row) => row.application_name, cell: (row) => <span data-hint={row.client_addr ?? 'local socket'}>{row.application_name ?? '–'}</span> },
    { id: 'state', title: 'State', width: 96, value: (row) => row.state, cell: (row) => row.state ?? <Missing reason="Not readable." /> },
    { id: 'sync', title: 'Sync', width: 80, value: (row) => row.sync_state, cell: (row) => row.sync_state ?? <Missing reason="Not readable." /> },
    lag('write_lag', 'Write lag', 'write_lag', (row) => row.write_lag_ms),
    lag('flush_lag', 'Flush lag', 'flush_lag', (row) => row.flush_lag_ms),
    lag('replay_lag', 'Replay lag', 'replay_lag', (row) => row.replay_lag_ms),
    behind('sent_behind', 'Sent behind', 'sent_lsn', (row) => row.sent_behind_bytes),
    behind('write_behind', 'Write behind', 'write_lsn', (row) => row.write_behind_bytes),
    behind('flush_behind', 'Flush behind', 'flush_lsn', (row) => row.flush_behind_bytes),
    behind('replay_behind', 'Replay behind', 'replay_lsn', (row) => row.replay_behind_bytes),
    {
      id: 'last_message', title: 'Last message', width: 124, value: (row) => row.last_message_at,
      cell: (row) => (typeof row.last_message_at === 'string' ? exactMoment(Date.parse(row.last_message_at), zone) : <Missing reason="PostgreSQL 12 and newer report it; no reading has it." />),
    },
  ];
}

/** `Worst replay lag 48 s (prod-2)` */
export function replicationHeading(replication: Replication): string {
  const { standbys } = replication;
  if (standbys.length === 0) return 'No standby streams from here';
  const lagging = standbys.filter((one) => typeof one.replay_lag_ms === 'number');
  const worst = lagging.toSorted((a, b) => (b.replay_lag_ms ?? 0) - (a.replay_lag_ms ?? 0))[0];
  if (worst?.replay_lag_ms == null) {
    const idle = standbys.every((one) => one.idle === true) ? ', idle' : ', no lag measured';
    return `${standbys.length} ${standbys.length === 1 ? 'standby' : 'standbys'}${idle}`;
  }
  return `Worst replay lag ${text(coarse(worst.replay_lag_ms))} (${worst.application_name ?? 'unnamed'})`;
}

export function ReplicationPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/replication' });
  const url = useUrl();
  const change = useChangeUrl();
  const { range, zone } = useTime();
  const page = useReads<Reads>(
    ['replication', instanceId],
    (instants) => ({
      instance: `/instances/${instanceId}`,
      replication: `/instances/${instanceId}/replication${queryString({ at: range.kind === 'absolute' ? between(instants).end : undefined })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.replication;
  const replication = read?.data ?? null;
  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Replication"
      title={replication == null ? 'Replication' : replicationHeading(replication)}
      fill
    >
      {read?.error != null && <ReadProblem what="replication" error={read.error} shownAt={read.at} retry={page.retry} />}
      {replication != null && (
        <>
          <p>
            {[
              replication.role,
              replication.timeline == null ? null : `timeline ${replication.timeline}`,
              typeof replication.current_lsn === 'string' ? `at ${replication.current_lsn}` : null,
              replication.at == null ? 'no reading yet' : `read ${exactMoment(Date.parse(replication.at), zone)}`,
            ]
              .filter((part) => part != null)
              .join(' · ')}
          </p>
          <DataTable
            label="Standbys"
            columns={columns(zone)}
            rows={replication.standbys}
            rowKey={(row) => `${row.application_name ?? ''}/${row.pid ?? ''}`}
            sort={parseSort(url.sort, BY_REPLAY)}
            onSort={(sort) => change({ sort: writeSort(sort, BY_REPLAY) }, true)}
            outdated={page.outdated}
            empty={replication.at == null ? 'No reading yet.' : 'No standby streams from here.'}
            fill
          />
        </>
      )}
    </InstanceFrame>
  );
}
