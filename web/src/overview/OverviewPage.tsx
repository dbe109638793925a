import { Link, useParams } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import { queryString } from '../api/client';
import type { CollectorCost as Cost, Connections, Databases, Disks, Host, InstanceDetail, Locks, Progress, Ranking, Unmeasured, Waits, Wal } from '../api/model';
import { between, useReads } from '../api/useReads';
import { TimeChart } from '../charts/TimeChart';
import { Choice } from '../filters/Filter';
import { average, byteRate, coarse, count, exact, percent, rate, text, type Figure } from '../format/number';
import { Missing } from '../format/Num';
import { CollectorCost } from '../host/CollectorCost';
import { HostCharts } from '../host/HostCharts';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { standing } from '../instance/watched';
import { FlagNotices } from '../notices/FlagNotices';
import { ReadProblem } from '../notices/ReadProblem';
import { RunningCommands } from '../progress/RunningCommands';
import { rankingColumns } from '../queries/columns';
import { lineKey, type Line } from '../queries/ranking';
import { keepTime, type Search } from '../shell/search';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { momentOf } from '../time/range';
import { useChangeUrl, useTime, useUrl, useZoom } from '../time/useTime';
import { near } from '../time/zone';
import { SessionsByState } from '../waits/SessionsByState';
import { WAITS_BY } from '../waits/sessionCharts';
import { WaitsChart } from '../waits/WaitsChart';
import { CheckpointsChart, WalRateChart } from '../wal/WalCharts';
import { atMost, hitRatio, newest, overviewHeading, throughputCharts } from './overview';
import styles from './OverviewPage.module.css';

interface Reads {
  instance: InstanceDetail;
  waits: Waits;
  progress: Progress;
  connections: Connections;
  locks: Locks;
  ranking: Ranking;
  databases: Databases;
  wal: Wal;
  host: Host;
  disks: Disks;
  collector: Cost;
}

const TOP = 5;
const BY_TIME: Sort = { id: 'time', descending: true };
const TOP_COLUMNS = ['query', 'share', 'time', 'trend', 'calls', 'mean', 'database'];

export function OverviewPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/overview' });
  const url = useUrl();
  const change = useChangeUrl();
  const zoom = useZoom();
  const { range: asked, zone } = useTime();
  const by = WAITS_BY.find((one) => one === url.by);
  const page = useReads<Reads>(
    ['overview', instanceId, by ?? ''],
    (range) => {
      const of = (what: string, more: Record<string, string | number | boolean> = {}) =>
        `/instances/${instanceId}/${what}${queryString({ ...between(range), ...more })}`;
      return {
        instance: instancePath(instanceId, range),
        waits: of('waits', by === undefined ? {} : { by }),
        progress: `/instances/${instanceId}/progress${queryString({ at: between(range).end })}`,
        connections: of('connections'),
        locks: of('locks'),
        ranking: of('queries', { limit: TOP, toplevel: true, trend: true, monitoring: false }),
        databases: of('databases'),
        wal: of('wal'),
        host: of('host'),
        disks: of('disks'),
        collector: of('collector'),
      };
    },
    (reads) => shortestInterval(reads.instance.data),
  );
  const { reads } = page;
  const instance = reads?.instance.data ?? null;
  const waits = reads?.waits.data ?? null;
  const progress = reads?.progress.data ?? null;
  const connections = reads?.connections.data ?? null;
  const ranking = reads?.ranking.data ?? null;
  const databases = reads?.databases.data ?? null;
  const wal = reads?.wal.data ?? null;
  const hidden = useMemo(() => url.hide?.split(',') ?? [], [url.hide]);
  const shared = {
    range: page.range,
    zone,
    hidden,
    onHide: (next: string[]) => change({ hide: next.length === 0 ? undefined : next.join(',') }),
    onZoom: zoom,
    outdated: page.outdated,
  };
  const { start, end } = page.range;
  const columns = useMemo(() => {
    const context = { instanceId, blockSize: null, unmeasured: ranking?.unmeasured ?? {}, ranking, range: { start, end }, zone, filter: () => undefined };
    return rankingColumns(context).filter((column) => TOP_COLUMNS.includes(column.id));
  }, [instanceId, ranking, start, end, zone]);
  const rows: Line[] = useMemo(() => ranking?.data ?? [], [ranking]);
  const throughput = useMemo(() => (databases === null ? [] : throughputCharts(databases)), [databases]);
  const load = waits?.mean ?? null;
  const now = Date.now();
  const moment = momentOf(asked, now);
  const not = instance === null ? null : standing(instance.watched, zone, now);
  /** A figure of the moment, which nobody knows while the instance is not read. */
  const known = (value: number | null | undefined) => (not === null ? (value ?? null) : null);
  const oldest = known(connections?.oldest_xact_age_ms);
  const why = (unmeasured: Unmeasured | undefined, name: string, otherwise: string) => (not === null ? reasonOf(unmeasured, name, otherwise) : `${not}.`);
  const then = moment === null ? 'now' : `at ${near(moment, zone, now)}`;
  const failed = Object.entries(reads ?? {}).flatMap(([name, read]) =>
    name === 'instance' || read.error === null ? [] : [{ name, error: read.error, at: read.at }],
  );

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Overview"
      momentary
      title={instance === null ? 'Overview' : overviewHeading(instance, load, oldest)}
    >
      {reads === null && page.error === null && <div className={styles.skeleton} role="status" aria-label="Loading the overview" />}
      {failed.map(({ name, error, at }) => (
        <ReadProblem key={name} what={name} error={error} shownAt={at} retry={page.retry} />
      ))}
      {instance !== null && (
        <section aria-label="Figures" className={styles.figures} data-outdated={page.outdated}>
          <dl>
            <Key title={instance.cpus == null ? 'Load' : 'Load / CPUs'} to="queries" value={known(load)} format={average} unit="active sessions, mean of the range" source={waits?.samples == null ? 'sessions' : 'session_samples'} reason={why(waits?.unmeasured, 'series', ONE_READING)} after={instance.cpus == null ? '' : ` / ${instance.cpus}`} instanceId={instanceId} />
            <Key title="TPS" to="databases" value={instance.tps} format={(value) => rate(value)} unit={`transactions per second in the newest interval, ${then}`} source="pg_stat_database.xact_commit + xact_rollback" reason={why(instance.unmeasured, 'tps', TWO_READINGS)} instanceId={instanceId} />
            <Key title="Connections" to="databases" value={instance.connections} format={count} unit={`client backends, ${then}`} source="sessions" reason={why(instance.unmeasured, 'connections', ONE_READING)} after={instance.connections_limit == null ? '' : ` / ${instance.connections_limit}`} instanceId={instanceId} />
            <Key title="Blocked" to="locks" value={instance.blocked} format={count} unit={`sessions that wait for a lock, ${then}`} source="lock_waits" reason={why(reads?.locks.data?.unmeasured, 'data', 'Who waits for a lock was not read.')} after={atMost(instance.blocked, reads?.locks.data?.peak?.blocked)} instanceId={instanceId} />
            <Key title="Oldest transaction" to="locks" value={oldest} format={coarse} unit={`ms, ${then}`} source={`sessions.xact_age, pg_prepared_xacts.prepared_age${connections?.oldest_xact == null ? '' : `\n${connections.oldest_xact.who}`}`} reason={connections?.at == null || not !== null ? why(connections?.unmeasured, 'series', ONE_READING) : 'No transaction was open.'} instanceId={instanceId} />
            <Key title="Cache hit" to="databases" value={databases === null ? null : known(hitRatio(databases))} format={percent} unit="(1 is all blocks), over the range" source="pg_stat_database.blks_hit / (blks_hit + blks_read)" reason={why(databases?.unmeasured, 'blks_hit', 'No block was asked for in this range, or nothing was read.')} instanceId={instanceId} />
            <Key title="WAL" to="replication" value={wal === null ? null : known(newest(wal.series.position_bytes))} format={byteRate} unit="bytes per second, the newest of the range" source="wal.position" reason={why(wal?.unmeasured, 'position_bytes', TWO_READINGS)} instanceId={instanceId} />
            <div className={styles.figure} data-hint-area>
              <dt>
                <Link to="/instances/$instanceId/coverage" params={{ instanceId }} search={(old: Search) => keepTime(old)}>
                  Collector cost
                </Link>
              </dt>
              <dd>
                <CollectorCost cost={reads?.collector.data ?? null} />
              </dd>
            </div>
          </dl>
          {moment !== null && not === null && <p className={styles.moment}>As it was at {near(moment, zone, now)}, the end of this range; load and cache hit are of all of it.</p>}
        </section>
      )}
      {databases !== null && <FlagNotices flags={databases.flagged_intervals} />}
      {waits !== null && (
        <div className={styles.section}>
          <Choice title="Load by" chosen={by} options={WAITS_BY} pick={(next) => change({ by: next })} />
          <WaitsChart waits={waits} cpus={instance?.cpus ?? null} {...shared} />
        </div>
      )}
      {progress !== null && progress.data.length > 0 && (
        <section className={styles.section} aria-label="Running commands">
          <h2>Running commands</h2>
          <RunningCommands progress={progress} outdated={page.outdated} />
        </section>
      )}
      {ranking !== null && (
        <section className={styles.section} aria-label="Top queries">
          <h2>
            <Link to="/instances/$instanceId/queries" params={{ instanceId }} search={(old: Search) => keepTime(old)}>
              Top queries
            </Link>
          </h2>
          <DataTable
            label="Top queries"
            columns={columns}
            rows={rows}
            rowKey={lineKey}
            sort={parseSort(url.sort, BY_TIME)}
            onSort={(next) => change({ sort: writeSort(next, BY_TIME) })}
            outdated={page.outdated}
            empty={ranking.covered.ms > 0 ? 'No statement finished in this range.' : 'No figures of statements were read in this range.'}
          />
        </section>
      )}
      <div className={styles.charts}>
        {databases !== null && throughput.slice(0, 1).map((spec) => <TimeChart key={spec.id} spec={spec} grid={databases.grid} flags={databases.flagged_intervals} gaps={databases.gaps} {...shared} />)}
        {connections !== null && <SessionsByState connections={connections} {...shared} />}
        {databases !== null && throughput.slice(1, 2).map((spec) => <TimeChart key={spec.id} spec={spec} grid={databases.grid} flags={databases.flagged_intervals} gaps={databases.gaps} {...shared} />)}
        {wal !== null && <WalRateChart wal={wal} {...shared} />}
        {wal !== null && <CheckpointsChart wal={wal} {...shared} />}
        {databases !== null && throughput.slice(2).map((spec) => <TimeChart key={spec.id} spec={spec} grid={databases.grid} flags={databases.flagged_intervals} gaps={databases.gaps} {...shared} />)}
        <HostCharts host={reads?.host.data ?? null} disks={reads?.disks.data ?? null} {...shared} />
      </div>
    </InstanceFrame>
  );
}

/** A state is known from one reading, a rate from two. */
const ONE_READING = 'Nothing was read at that moment.';
const TWO_READINGS = 'A rate needs two readings in this range.';

function reasonOf(unmeasured: Unmeasured | undefined, name: string, otherwise: string): string {
  return unmeasured?.[name]?.message ?? otherwise;
}

const PAGES = {
  queries: '/instances/$instanceId/queries',
  databases: '/instances/$instanceId/databases',
  locks: '/instances/$instanceId/locks',
  replication: '/instances/$instanceId/replication',
} as const;

interface KeyProps {
  title: string;
  /** The page that says more. */
  to: keyof typeof PAGES;
  value: number | null | undefined;
  format: (value: number) => Figure;
  unit: string;
  source: string;
  /** Why there is no value. */
  reason: string;
  /** What it is measured against. */
  after?: string;
  instanceId: string;
}

/** One of the figures by which an instance is judged first; a link to its page. */
function Key({ title, to, value, format, unit, source, reason, after = '', instanceId }: KeyProps): ReactNode {
  return (
    <div className={styles.figure} data-hint-area>
      <dt>
        <Link to={PAGES[to]} params={{ instanceId }} search={(old: Search) => keepTime(old)}>
          {title}
        </Link>
      </dt>
      <dd>
        {value == null ? (
          <Missing reason={reason} focusable />
        ) : (
          <span data-hint={`${exact(value)} ${unit}\n${source}`} tabIndex={0}>
            {text(format(value))}
            {after}
          </span>
        )}
      </dd>
    </div>
  );
}
