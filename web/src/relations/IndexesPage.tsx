import { useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { Indexes, InstanceDetail } from '../api/model';
import { between, useReads } from '../api/useReads';
import { Choice } from '../filters/Filter';
import { count, text } from '../format/number';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { indexColumns, INDEX_DEFAULTS, INDEX_ORDER } from './indexColumns';
import { indexesHeading } from './relation';
import { RelationFilters } from './RelationFilters';
import { nothingRead, NothingRead, RelationNotices } from './RelationNotices';

/** The API's largest answer; beyond it the order is the server's. */
const LIMIT = 1000;
const GRAVEST_FIRST: Sort = { id: 'finding', descending: true };
const FINDINGS = ['invalid', 'duplicate', 'unused'];

interface Reads {
  instance: InstanceDetail;
  indexes: Indexes;
}

export function IndexesPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/indexes' });
  const url = useUrl();
  const change = useChangeUrl();
  const { zone } = useTime();
  const sort = parseSort(url.sort, GRAVEST_FIRST);
  const order = INDEX_ORDER[sort.id] ?? INDEX_ORDER['finding'];
  const direction = sort.descending || INDEX_ORDER[sort.id] === undefined ? undefined : 'asc';
  const finding = FINDINGS.includes(url.finding ?? '') ? url.finding : undefined;
  const page = useReads<Reads>(
    ['indexes', instanceId, order, direction, url.db, url.schema, url.q, url.partitions, url.table, finding],
    (range) => ({
      instance: instancePath(instanceId, range),
      indexes: `/instances/${instanceId}/indexes${queryString({
        ...between(range), limit: LIMIT, order, direction, database: url.db, schema: url.schema, search: url.q,
        partitions: url.partitions === 'list' ? 'list' : undefined, relid: url.table, finding,
      })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.indexes;
  const indexes = read?.data ?? null;
  const now = page.range.end;
  const columns = useMemo(
    () =>
      indexColumns({ unmeasured: indexes?.unmeasured ?? {}, zone, now, unusedAfterDays: indexes?.unused_after_days ?? 0 }),
    [indexes, zone, now],
  );
  const shown = useMemo(() => {
    const chosen = url.cols?.split(',') ?? INDEX_DEFAULTS;
    return columns.filter((column) => column.id === 'finding' || chosen.includes(column.id));
  }, [columns, url.cols]);
  const rows = useMemo(() => indexes?.data ?? [], [indexes]);
  const filtered = [url.q, url.db, url.schema, url.table, finding].some((one) => one !== undefined);
  const table = rows.find((row) => String(row.relid) === url.table)?.table ?? url.table;

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Indexes"
      title={indexes === null ? 'Indexes' : indexes.at == null ? nothingRead('indexes', page.range) : indexesHeading(indexes)}
      fill
    >
      {read?.error != null && <ReadProblem what="indexes" error={read.error} shownAt={read.at} retry={page.retry} />}
      {indexes !== null && (
        <>
          <RelationFilters
            databases={indexes.databases}
            schemas={indexes.schemas}
            table={table ?? null}
            columns={columns}
            shown={shown}
            defaults={INDEX_DEFAULTS}
            rows={rows}
          >
            <Choice title="Finding" chosen={finding} options={FINDINGS} pick={(value) => change({ finding: value })} />
          </RelationFilters>
          <CoveredNotice covered={indexes.covered} />
          <FlagNotices things="indexes" flags={indexes.flagged_intervals} />
          <RelationNotices
            unmeasured={indexes.unmeasured}
            notReadable={indexes.not_readable}
            fields={shown.flatMap((column) => INDEX_ORDER[column.id] ?? [])}
          />
          <DataTable
            label="Indexes"
            columns={shown}
            rows={rows}
            rowKey={(row) => `${row.datid}/${row.indexrelid}`}
            sort={sort}
            onSort={(next) => change({ sort: writeSort(next, GRAVEST_FIRST) })}
            outdated={page.outdated}
            empty={
              indexes.at == null ? (
                <NothingRead range={page.range} zone={zone} />
              ) : filtered ? (
                <>
                  No index matches.{' '}
                  <Button onClick={() => change({ q: undefined, db: undefined, schema: undefined, table: undefined, finding: undefined })}>
                    Clear filters
                  </Button>
                </>
              ) : (
                <>No index in the databases that are read ({indexes.databases.join(', ')}).</>
              )
            }
            fill
          />
          {indexes.total > indexes.count && (
            <p>
              {text(count(indexes.count))} of {text(count(indexes.total))} indexes; search or filter for others.
            </p>
          )}
        </>
      )}
    </InstanceFrame>
  );
}
