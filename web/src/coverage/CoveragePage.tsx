import { useParams } from '@tanstack/react-router';
import type { Coverage, InstanceDetail } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { coarse, count, text } from '../format/number';
import { Missing, Num } from '../format/Num';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { Copy } from '../notices/Copy';
import { ReadProblem } from '../notices/ReadProblem';
import { parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { exactMoment, type Zone } from '../time/zone';
import { coverageHeading, coverageRows, urgency, type CoverageRow } from './coverage';
import styles from './CoveragePage.module.css';

interface Reads {
  instance: InstanceDetail;
  coverage: Coverage;
}

const WORST_FIRST: Sort = { id: 'state', descending: true };
/** Shape and word, so that grey is enough. */
const SIGN = { works: '●', degraded: '▲', missing: '○', error: '■' } as const;

function columns(zone: Zone): Column<CoverageRow>[] {
  return [
    { id: 'state', title: 'State', width: 92, whole: true, value: urgency, cell: (row) => <span className={styles.state} data-state={row.state}>{SIGN[row.state]} {row.state}</span> },
    { id: 'set', title: 'Set', width: 250, whole: true, value: (row) => `${row.set}.${row.column}`, cell: (row) => <code data-hint={row.column === '' ? 'The set as a whole' : `Column ${row.column} of ${row.set}`}>{row.set}{row.column === '' ? '' : `.${row.column}`}</code> },
    { id: 'reason', title: 'Reason', width: 220, grow: true, value: (row) => row.reason, cell: (row) => (row.reason === null ? '' : <span data-hint={row.reason}><Foreign text={row.reason} lines /></span>) },
    { id: 'fix', title: 'Fix', help: 'SQL that mends it', width: 224, value: (row) => row.fix, cell: (row) => (row.fix === null ? '' : <span className={styles.fix}><code data-hint={row.fix}><Foreign text={row.fix} lines /></code><Copy text={row.fix} what={`SQL for ${row.set}`} /></span>) },
    { id: 'since', title: 'Since version', whole: true, help: 'Of PostgreSQL, or of the extension that the set reads', width: 110, value: (row) => row.since, cell: (row) => row.since ?? (row.column === '' ? <Missing reason="It is not read from PostgreSQL, so no version is needed." /> : <Missing reason="As old as its set." />) },
    { id: 'interval', title: 'Interval', help: 'Between its last readings', width: 72, numeric: true, unit: 's', value: (row) => row.intervalSeconds, cell: (row) => (row.intervalSeconds === null ? <Missing reason="Not read yet." /> : <Num figure={{ value: text(count(row.intervalSeconds)), unit: 's' }} hint={`${row.intervalSeconds} s between readings`} />) },
    { id: 'read', title: 'Last read', width: 96, whole: true, value: (row) => row.lastReading, cell: (row) => (row.lastReading === null ? <Missing reason="No reading yet." /> : <span data-hint={exactMoment(Date.parse(row.lastReading), zone)}>{text(coarse(Math.max(0, Date.now() - Date.parse(row.lastReading))))} ago</span>) },
  ];
}

export function CoveragePage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/coverage' });
  const url = useUrl();
  const change = useChangeUrl();
  const { zone } = useTime();
  const page = useReads<Reads>(
    ['coverage', instanceId],
    (range) => ({ instance: instancePath(instanceId, range), coverage: `/instances/${instanceId}/coverage` }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.coverage;
  const rows = read?.data == null ? null : coverageRows(read.data);
  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Coverage"
      momentary
      title={rows === null || rows.length === 0 ? 'Coverage' : coverageHeading(rows)}
      fill
    >
      {read?.error != null && <ReadProblem what="coverage" error={read.error} shownAt={read.at} retry={page.retry} />}
      {rows !== null && (
        <DataTable
          label="Coverage"
          columns={columns(zone)}
          rows={rows}
          rowKey={(row) => `${row.set}.${row.column}`}
          sort={parseSort(url.sort, WORST_FIRST)}
          onSort={(sort) => change({ sort: writeSort(sort, WORST_FIRST) })}
          outdated={page.outdated}
          empty="The collector has not said yet what it can read."
          fill
        />
      )}
    </InstanceFrame>
  );
}
