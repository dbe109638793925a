import { useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { DatabaseRow, Databases, InstanceDetail, Unmeasured } from '../api/model';
import { between, useReads } from '../api/useReads';
import { Sparkline } from '../charts/Sparkline';
import { Foreign } from '../format/Foreign';
import { average, bytes, count, exact, percent, rate, type Figure } from '../format/number';
import { Missing, Num } from '../format/Num';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { ReadProblem } from '../notices/ReadProblem';
import { parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { span } from '../time/zone';
import { activeSessions, databasesHeading, transactions } from './databases';
import { InstanceFrame, instancePath, shortestInterval } from './InstanceFrame';

interface Reads {
  instance: InstanceDetail;
  databases: Databases;
}

const BY_TPS: Sort = { id: 'tps', descending: true };

interface Measure {
  id: string;
  title: string;
  help: string;
  source: string;
  unit?: string;
  unitSlot?: number;
  value: (row: DatabaseRow) => number | null | undefined;
  figure: (value: number) => Figure;
}

const known = (value: number | null | undefined): value is number => value !== null && value !== undefined;

const MEASURES: Measure[] = [
  { id: 'connections', title: 'Connections', help: 'At the newest reading', source: 'numbackends', value: (row) => row.numbackends, figure: count },
  { id: 'tps', title: 'TPS', help: 'Commits and rollbacks per second', source: 'xact_commit', unit: '1/s', unitSlot: 5, value: transactions, figure: (value) => rate(value) },
  { id: 'rollback', title: 'Rollbacks', help: 'Of all transactions', source: 'xact_rollback', unit: 'ratio', unitSlot: 2, value: (row) => known(row.xact_commit) && known(row.xact_rollback) && row.xact_commit + row.xact_rollback > 0 ? row.xact_rollback / (row.xact_commit + row.xact_rollback) : null, figure: percent },
  { id: 'active', title: 'Active', help: 'Mean active sessions', source: 'active_time', unit: 'sessions', value: activeSessions, figure: average },
  { id: 'hit', title: 'Hit %', help: 'Blocks found in shared_buffers, of those wanted', source: 'blks_hit', unit: 'ratio', unitSlot: 2, value: (row) => known(row.blks_hit) && known(row.blks_read) && row.blks_hit + row.blks_read > 0 ? row.blks_hit / (row.blks_hit + row.blks_read) : null, figure: percent },
  { id: 'inserted', title: 'Inserted', help: 'Rows per second', source: 'tup_inserted', unit: '1/s', unitSlot: 5, value: (row) => row.rates.tup_inserted, figure: (value) => rate(value) },
  { id: 'updated', title: 'Updated', help: 'Rows per second', source: 'tup_updated', unit: '1/s', unitSlot: 5, value: (row) => row.rates.tup_updated, figure: (value) => rate(value) },
  { id: 'deleted', title: 'Deleted', help: 'Rows per second', source: 'tup_deleted', unit: '1/s', unitSlot: 5, value: (row) => row.rates.tup_deleted, figure: (value) => rate(value) },
  { id: 'temp', title: 'Temp', help: 'Written to temporary files', source: 'temp_bytes', unit: 'bytes', unitSlot: 4, value: (row) => row.temp_bytes, figure: bytes },
  { id: 'deadlocks', title: 'Deadlocks', help: 'In the range', source: 'deadlocks', value: (row) => row.deadlocks, figure: count },
];

function columns(unmeasured: Unmeasured): Column<DatabaseRow>[] {
  const measured = MEASURES.map(({ id, title, help, source, unit, unitSlot, value, figure }): Column<DatabaseRow> => ({
    id, title, width: 96, numeric: true,
    help: `${help}\npg_stat_database.${source}`,
    ...(unit === undefined ? {} : { unit }),
    ...(unitSlot === undefined ? {} : { unitSlot }),
    value,
    cell: (row) => {
      const one = value(row);
      if (!known(one)) return <Missing reason={unmeasured[source]?.message ?? unmeasured[`${source}_ms`]?.message ?? 'No reading in this range.'} />;
      return <Num figure={figure(one)} hint={`${exact(one)} ${unit ?? ''}\npg_stat_database.${source}`} />;
    },
  }));
  const trend: Column<DatabaseRow> = { id: 'trend', title: 'Trend', help: 'TPS', width: 100, cell: (row) => <Sparkline values={row.series.tps} /> };
  return [
    { id: 'name', title: 'Database', width: 130, grow: true, value: (row) => row.name, cell: (row) => <span data-hint={`oid ${row.datid}`}><Foreign text={row.name} /></span> },
    ...measured.slice(0, 2),
    trend,
    ...measured.slice(2),
  ];
}

export function DatabasesPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/databases' });
  const url = useUrl();
  const change = useChangeUrl();
  const { zone } = useTime();
  const page = useReads<Reads>(
    ['databases', instanceId],
    (range) => ({
      instance: instancePath(instanceId, range),
      databases: `/instances/${instanceId}/databases${queryString({ ...between(range) })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.databases;
  const databases = read?.data ?? null;
  const shown = useMemo(() => columns(databases?.unmeasured ?? {}), [databases]);
  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Databases"
      gaps={databases?.gaps}
      title={databases === null ? 'Databases' : databasesHeading(databases)}
      fill
    >
      {read?.error != null && <ReadProblem what="databases" error={read.error} shownAt={read.at} retry={page.retry} />}
      {databases !== null && (
        <>
          <CoveredNotice covered={databases.covered} />
          <FlagNotices flags={databases.flagged_intervals} />
          <DataTable
            label="Databases"
            columns={shown}
            rows={databases.data}
            rowKey={(row) => String(row.datid)}
            sort={parseSort(url.sort, BY_TPS)}
            onSort={(sort) => change({ sort: writeSort(sort, BY_TPS) })}
            outdated={page.outdated}
            empty={`No reading of pg_stat_database between ${span(page.range.start, page.range.end, zone, Date.now(), ' and ')}.`}
            fill
          />
        </>
      )}
    </InstanceFrame>
  );
}
