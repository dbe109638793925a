import { useNavigate, useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { InstanceDetail, TableRow, Tables, Wraparound } from '../api/model';
import { between, useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { count, text } from '../format/number';
import { freezeLine } from '../holders/oldest';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { keepTime, type Search } from '../shell/search';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { tablesHeading } from './relation';
import { RelationFilters } from './RelationFilters';
import { nothingRead, NothingRead, RelationNotices } from './RelationNotices';
import { tableColumns, TABLE_DEFAULTS, TABLE_ORDER } from './tableColumns';

/** The API's largest answer; beyond it the order is the server's. */
const LIMIT = 1000;
const BY_SIZE: Sort = { id: 'size', descending: true };

interface Reads {
  instance: InstanceDetail;
  tables: Tables;
  wraparound: Wraparound;
}

export function TablesPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/tables' });
  const url = useUrl();
  const change = useChangeUrl();
  const navigate = useNavigate();
  const { zone } = useTime();
  const sort = parseSort(url.sort, BY_SIZE);
  const order = TABLE_ORDER[sort.id] ?? TABLE_ORDER['size'];
  const direction = sort.descending || TABLE_ORDER[sort.id] === undefined ? undefined : 'asc';
  const page = useReads<Reads>(
    ['tables', instanceId, order, direction, url.db, url.schema, url.q, url.partitions, url.table],
    (range) => ({
      instance: instancePath(instanceId, range),
      tables: `/instances/${instanceId}/tables${queryString({
        ...between(range), limit: LIMIT, order, direction, database: url.db, schema: url.schema, search: url.q,
        partitions: url.partitions === 'list' ? 'list' : undefined, root: url.table,
      })}`,
      wraparound: `/instances/${instanceId}/wraparound${queryString({ ...between(range) })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.tables;
  const tables = read?.data ?? null;
  const now = page.range.end;
  const columns = useMemo(
    () =>
      tableColumns({
        instanceId,
        unmeasured: tables?.unmeasured ?? {},
        zone,
        now,
        unfold: (row: TableRow) => change({ db: row.database, table: String(row.relid), q: undefined }),
      }),
    [instanceId, tables, zone, now, change],
  );
  const shown = useMemo(() => {
    const chosen = url.cols?.split(',') ?? TABLE_DEFAULTS;
    return columns.filter((column) => column.id === 'table' || chosen.includes(column.id));
  }, [columns, url.cols]);
  const rows = useMemo(() => tables?.data ?? [], [tables]);
  const wraparound = page.reads?.wraparound.data ?? null;
  const freeze = wraparound === null ? null : freezeLine(wraparound);
  const filtered = url.q !== undefined || url.db !== undefined || url.schema !== undefined || url.table !== undefined;
  const parent = rows.find((row) => String(row.root_relid) === url.table)?.root_name;
  const more = tables !== null && tables.total > tables.count;

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Tables"
      title={tables === null ? 'Tables' : tables.at == null ? nothingRead('tables', page.range) : tablesHeading(tables)}
      fill
    >
      {read?.error != null && <ReadProblem what="tables" error={read.error} shownAt={read.at} retry={page.retry} />}
      {tables !== null && (
        <>
          <RelationFilters
            databases={tables.databases}
            schemas={tables.schemas}
            table={url.table === undefined ? null : (parent ?? url.table)}
            columns={columns}
            shown={shown}
            defaults={TABLE_DEFAULTS}
            rows={rows}
          />
          <CoveredNotice covered={tables.covered} />
          <FlagNotices things="tables" flags={tables.flagged_intervals} />
          <RelationNotices
            unmeasured={tables.unmeasured}
            notReadable={tables.not_readable}
            fields={shown.flatMap((column) => TABLE_ORDER[column.id] ?? [])}
          />
          <DataTable
            label="Tables"
            columns={shown}
            rows={rows}
            rowKey={(row) => `${row.datid}/${row.relid}`}
            sort={sort}
            onSort={(next) => change({ sort: writeSort(next, BY_SIZE) })}
            onOpen={(row) => {
              void navigate({
                to: '/instances/$instanceId/indexes',
                params: { instanceId },
                search: (old: Search) => ({ ...keepTime(old), db: row.database, table: String(row.relid) }),
              });
            }}
            openByClick={false}
            outdated={page.outdated}
            empty={
              tables.at == null ? (
                <NothingRead range={page.range} zone={zone} />
              ) : filtered ? (
                <>
                  No table matches.{' '}
                  <Button onClick={() => change({ q: undefined, db: undefined, schema: undefined, table: undefined })}>Clear filters</Button>
                </>
              ) : (
                <>No table in the databases that are read ({tables.databases.join(', ')}).</>
              )
            }
            fill
          />
          {freeze !== null && <p><Foreign text={freeze} /></p>}
          {more && (
            <p>
              {text(count(tables.count))} of {text(count(tables.total))} tables; search or filter for others.
            </p>
          )}
        </>
      )}
    </InstanceFrame>
  );
}
