/** What the part of PgBouncer says: pools as they were read last, and work by database. Pure. */
import type { InstanceDetail, SetRows } from '../api/model';
import { duration, text } from '../format/number';
import type { Measure } from './figures';

export const POOLS = 'pgbouncer_pools';
export const STATS = 'pgbouncer_stats';

type Row = Record<string, string | number | boolean | null | undefined>;

const rowsOf = (rows: SetRows): Row[] => rows.data;

/** Whether the instance has a PgBouncer that is read, or is to be. */
export function hasPooler(instance: InstanceDetail | null | undefined): boolean {
  return instance?.sets.some((one) => one.set === POOLS && one.code !== 'disabled') === true;
}

/** The pools as they were read last; rows come newest first. */
export function lastPools(rows: SetRows): Row[] {
  const all = rowsOf(rows);
  return all.filter((row) => row['time'] === all[0]?.['time']);
}

/** What was counted of each database, and over how long. */
export function byDatabase(rows: SetRows): Row[] {
  const sums = new Map<string, Record<string, number>>();
  for (const { database, ...row } of rowsOf(rows)) {
    const sum = sums.get(String(database)) ?? {};
    for (const [name, value] of Object.entries(row)) if (typeof value === 'number') sum[name] = (sum[name] ?? 0) + value;
    sums.set(String(database), sum);
  }
  return [...sums].map(([database, sum]) => ({ ...sum, database }));
}

const number = (row: Row, name: string): number | null => (typeof row[name] === 'number' ? row[name] : null);

/** One column through another one, where both are known. */
function ratio(row: Row, of: string, by: string, times = 1): number | null {
  const [sum, over] = [number(row, of), number(row, by)];
  return sum === null || over === null || over === 0 ? null : (sum * times) / over;
}

/** Who waits, and how long. */
export function poolsHeading(pools: Row[]): string {
  const sum = pools.reduce((all, row) => all + (number(row, 'cl_waiting') ?? 0), 0);
  if (pools.length === 0) return 'No figures of PgBouncer';
  if (sum === 0) return `No client waits; PgBouncer has ${pools.length} ${pools.length === 1 ? 'pool' : 'pools'}`;
  const longest = Math.max(...pools.map((row) => number(row, 'maxwait') ?? 0));
  return `${sum} ${sum === 1 ? 'client waits' : 'clients wait'} for a server connection, the first for ${text(duration(longest / 1000))}`;
}

const named = (id: string, title: string, help: string, kind = 'count'): Measure<Row> => ({ id, title, help, kind, value: (row) => number(row, id) });

export const POOL_MEASURES: Measure<Row>[] = [
  named('cl_waiting', 'Waiting', 'Clients that have sent something and wait for a server connection\ncl_waiting'),
  { id: 'maxwait', title: 'Longest wait', help: 'How long the first client in the queue has waited\nmaxwait', kind: 'ms', value: (row) => ratio({ ...row, one: 1 }, 'maxwait', 'one', 0.001) },
  named('cl_active', 'Clients', 'Clients that have a server connection, or are idle and wait for nothing\ncl_active'),
  named('sv_active', 'In use', 'Server connections that a client has\nsv_active'),
  named('sv_idle', 'Idle', 'Server connections that can be used at once\nsv_idle'),
];

const perSecond = (id: string, title: string, help: string, kind = 'rate'): Measure<Row> => ({ id, title, help, kind, value: (row) => ratio(row, id, 'interval_ms', 1000) });
const mean = (id: string, by: string, title: string, help: string): Measure<Row> => ({ id, title, help, kind: 'ms', value: (row) => ratio(row, id, by, 0.001) });

export const STAT_MEASURES: Measure<Row>[] = [
  perSecond('total_xact_count', 'Transactions/s', 'Over the time that was read\ntotal_xact_count'),
  perSecond('total_query_count', 'Statements/s', 'Over the time that was read\ntotal_query_count'),
  mean('total_query_time', 'total_query_count', 'One statement', 'On average\ntotal_query_time'),
  mean('total_xact_time', 'total_xact_count', 'One transaction', 'On average, idle in it included\ntotal_xact_time'),
  mean('total_wait_time', 'total_query_count', 'Wait for each', 'For a server connection, on average of all statements\ntotal_wait_time'),
  perSecond('total_received', 'Received B/s', 'From clients\ntotal_received', 'bytes'),
  perSecond('total_sent', 'Sent B/s', 'To clients\ntotal_sent', 'bytes'),
];

export type { Row as PoolerRow };
