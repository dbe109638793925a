import { useMemo } from 'react';
import type { Job, Jobs } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Missing } from '../format/Num';
import { parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useUrl } from '../time/useTime';
import { near, type Zone } from '../time/zone';
import { doneText, nextText, tookText } from './store';

interface Props {
  jobs: Jobs;
  zone: Zone;
  now: number;
}

const FAILING_FIRST: Sort = { id: 'failures', descending: true };
const STATE_HINTS: Record<Job['state'], string> = {
  running: 'A server does it now.',
  waiting: 'The next run has its time.',
  failed: 'The last run failed; it is tried again.',
  overdue: 'It is due, and no server takes it: the server’s health says why.',
};
const NEVER = <Missing reason="It has not run yet." />;

function columns(zone: Zone, now: number): Column<Job>[] {
  const moment = (at: string) => near(Date.parse(at), zone, now);
  return [
    { id: 'name', title: 'Job', width: 110, whole: true, value: (job) => job.name, cell: (job) => <code data-hint={job.help}>{job.name}</code> },
    { id: 'state', title: 'State', width: 84, whole: true, value: (job) => job.state, cell: (job) => <span data-hint={STATE_HINTS[job.state]}>{job.state}</span> },
    { id: 'failures', title: 'Failed', help: 'Runs since one did not fail', width: 72, numeric: true, value: (job) => job.failures, cell: (job) => String(job.failures) },
    { id: 'finished', title: 'Last run', width: 130, whole: true, value: (job) => job.finished_at, cell: (job) => (job.finished_at == null ? NEVER : moment(job.finished_at)) },
    { id: 'took', title: 'Took', width: 84, numeric: true, value: (job) => job.duration_ms, cell: (job) => tookText(job) ?? NEVER },
    { id: 'done', title: 'Did', width: 150, whole: true, cell: (job) => doneText(job) ?? NEVER },
    { id: 'next', title: 'Next', width: 84, whole: true, value: (job) => job.next_at, cell: (job) => <span data-hint={moment(job.next_at)}>{nextText(job, now)}</span> },
    { id: 'host', title: 'Server', help: 'The machine of the server that does it, or did it last', width: 110, value: (job) => job.host, cell: (job) => (job.host == null ? NEVER : <Foreign text={job.host} />) },
    { id: 'error', title: 'Last error', width: 200, grow: true, value: (job) => job.error_at, cell: (job) => (job.error == null ? 'none' : <span data-hint={job.error}>{job.error_at == null ? '' : `${moment(job.error_at)}: `}<Foreign text={job.error} /></span>) },
  ];
}

export function JobsTable({ jobs, zone, now }: Props) {
  const url = useUrl();
  const change = useChangeUrl();
  // A clock that ticks would draw the table anew for nothing: seconds are enough.
  const second = Math.floor(now / 1000) * 1000;
  const shown = useMemo(() => columns(zone, second), [zone, second]);
  return (
    <DataTable
      label="Background work"
      columns={shown}
      rows={jobs.data}
      rowKey={(job) => job.name}
      sort={parseSort(url.sort, FAILING_FIRST)}
      onSort={(sort) => change({ sort: writeSort(sort, FAILING_FIRST) })}
      empty="No server has begun its background work yet."
    />
  );
}
