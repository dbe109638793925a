import { queryString } from '../api/client';
import type { InstanceDetail, SetRows } from '../api/model';
import { between, useReads } from '../api/useReads';
import { instancePath, shortestInterval } from '../instance/InstanceFrame';
import { CapabilityNotice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import type { Column, Sort } from '../tables/column';
import { figureColumns } from './figures';
import { PartFrame, Section, Sorted, type PartProps } from './parts';
import { byDatabase, lastPools, POOL_MEASURES, POOLS, poolsHeading, STAT_MEASURES, STATS, type PoolerRow } from './pgbouncer';

interface Reads {
  instance: InstanceDetail;
  pools: SetRows;
  stats: SetRows;
}

const BY_WAITING: Sort = { id: 'cl_waiting', descending: true };
const BY_WORK: Sort = { id: 'total_query_count', descending: true };
/** As many rows as one answer has at most. */
const LIMIT = 1000;

const word = (id: string, title: string, width = 120): Column<PoolerRow> => ({ id, title, width, value: (row) => row[id] ?? null, cell: (row) => String(row[id] ?? '–') });
const POOL_COLUMNS = [word('database', 'Database'), word('username', 'User'), ...figureColumns(POOL_MEASURES, {}, 'Not told.'), word('pool_mode', 'Mode', 100)];
const STAT_COLUMNS = [word('database', 'Database'), ...figureColumns(STAT_MEASURES, {}, 'Nothing of it was counted.')];

/** Who waits for the PgBouncer in front of the instance, and what goes through it. */
export function PgbouncerPart({ instanceId }: PartProps) {
  const page = useReads<Reads>(
    ['pgbouncer', instanceId],
    (range) => {
      const { start, end } = between(range);
      const of = (set: string, more: object) => `/metrics${queryString({ set, instance_id: instanceId, start, end, limit: LIMIT, ...more })}`;
      const step = Math.max(1, Math.ceil((Date.parse(end) - Date.parse(start)) / 1000));
      return { instance: instancePath(instanceId, range), pools: of(POOLS, {}), stats: of(STATS, { step }) };
    },
    (reads) => shortestInterval(reads.instance.data),
  );
  const { instance, pools, stats } = page.reads ?? {};
  const problem = pools?.error ?? stats?.error;
  const last = pools?.data == null ? null : lastPools(pools.data);
  const said = instance?.data?.sets.find((one) => one.set === POOLS && one.state !== 'works');
  return (
    <PartFrame instanceId={instanceId} page={page} instance={instance} title={last === null ? 'PgBouncer' : said === undefined ? poolsHeading(last) : said.code === 'disabled' ? 'PgBouncer is not read' : 'The last reading of PgBouncer failed; its pools are those of the one before'}>
      {problem != null && <ReadProblem what="PgBouncer" error={problem} shownAt={pools?.at ?? 0} retry={page.retry} />}
      {said?.message != null && <CapabilityNotice message={said.message} fix={said.fix} />}
      {last !== null && (
        <Section title="Pools">
          <Sorted label="Pools" columns={POOL_COLUMNS} rows={last} rowKey={(row) => JSON.stringify([row['database'], row['username']])} otherwise={BY_WAITING} outdated={page.outdated} empty="No pool had a client in this range." />
        </Section>
      )}
      {stats?.data != null && (
        <Section title="Work by database">
          <Sorted label="Work by database" columns={STAT_COLUMNS} rows={byDatabase(stats.data)} rowKey={(row) => String(row['database'])} otherwise={BY_WORK} outdated={page.outdated} empty="No two readings in this range." />
        </Section>
      )}
    </PartFrame>
  );
}
