import type { Instance } from '../api/model';
import { Sparkline } from '../charts/Sparkline';
import { bytes, coarse, count, exact, rate, text, type Figure } from '../format/number';
import { Missing, Num } from '../format/Num';
import { InstanceLink } from '../instance/InstanceLink';
import type { Column } from '../tables/column';
import { URGENCY } from './fleet';
import { HealthBadge } from './HealthBadge';
import styles from './FleetPage.module.css';

/** Why an instance has no value of a column. */
function why(instance: Instance, column: string): string {
  if (column === 'replay_lag_ms' && instance.role === 'primary') return 'A primary replays nothing; each standby has its own lag.';
  const known = instance.unmeasured[column];
  if (known !== undefined) return known.message;
  if (instance.state === 'no_data') return instance.reasons[0] ?? 'The collector is silent.';
  return NOT_YET[column] ?? 'Not enough data yet.';
}

const NOT_YET: Record<string, string> = {
  load: 'Needs PostgreSQL 14 and two readings of pg_stat_database.',
  tps: 'Rates need two readings.',
  connections: 'No reading yet.',
  replay_lag_ms: 'Not known: no recent reading of what is received here.',
};

function lagHint(instance: Instance): string {
  const exactly = [
    instance.replay_lag_ms == null ? null : `${exact(instance.replay_lag_ms)} ms`,
    instance.replay_lag_bytes == null ? null : `${exact(instance.replay_lag_bytes)} bytes not replayed`,
  ];
  return [...exactly.filter((part) => part !== null), 'pg_stat_wal_receiver'].join('\n');
}

function lag(instance: Instance): string {
  if (instance.replay_lag_bytes === 0) return '0 B, idle';
  const parts = [];
  if (instance.replay_lag_ms != null) parts.push(text(coarse(instance.replay_lag_ms)));
  if (instance.replay_lag_bytes != null) parts.push(text(bytes(instance.replay_lag_bytes)));
  return parts.join(', ');
}

/** One decimal below 10, two below 0.1: an idle instance is not at zero. */
function load(sessions: number): Figure {
  const digits = sessions === 0 || sessions >= 9.95 ? 0 : sessions < 0.095 ? 2 : 1;
  return { value: sessions.toFixed(digits), unit: '' };
}

/** The trend follows the range; all else is of its end. */
export const fleetColumns = (isPast: boolean): Column<Instance>[] => [
  {
    id: 'state',
    title: 'State',
    width: 176,
    whole: true,
    value: (row) => URGENCY[row.state],
    cell: (row) => <HealthBadge instance={row} />,
  },
  {
    id: 'name',
    title: 'Instance',
    width: 180,
    grow: true,
    value: (row) => row.name,
    cell: (row) => <InstanceLink instance={row} />,
  },
  {
    id: 'version',
    title: 'PG',
    help: 'PostgreSQL version',
    width: 64,
    whole: true,
    value: (row) => row.version_num,
    cell: (row) => row.version ?? <Missing reason="No reading yet." />,
  },
  {
    id: 'role',
    title: 'Role',
    width: 76,
    value: (row) => row.role,
    cell: (row) => row.role ?? <Missing reason={why(row, 'role')} />,
  },
  {
    id: 'load',
    title: 'Load',
    help: 'Mean active sessions over 5 min, from pg_stat_database.active_time; after the slash the host\'s processors.',
    width: 72,
    numeric: true,
    unit: 'sessions',
    value: (row) => row.load,
    cell: (row) =>
      row.load == null ? (
        <Missing reason={why(row, 'load')} />
      ) : (
        <Num
          figure={row.cpus == null ? load(row.load) : { value: `${load(row.load).value}/${row.cpus}`, unit: '' }}
          hint={`${exact(row.load)} active sessions on average of the readings of 5 min. ${row.cpus == null ? 'CPU count not known.' : `${row.cpus} CPUs.`}`}
        />
      ),
  },
  {
    id: 'trend',
    title: 'Trend',
    help: 'Load over the range, from zero to its own highest',
    width: 100,
    cell: (row) => (row.load_trend.values.every((value) => value === null) ? <Missing reason={why(row, 'load')} /> : <Sparkline values={row.load_trend.values} />),
  },
  {
    id: 'tps',
    title: 'TPS',
    help: 'Transactions per second, commits and rollbacks, over 5 min',
    width: 100,
    numeric: true,
    unitSlot: 5,
    unit: '1/s',
    value: (row) => row.tps,
    cell: (row) =>
      row.tps == null ? (
        <Missing reason={why(row, 'tps')} />
      ) : (
        <Num
          figure={rate(row.tps)}
          hint={`${exact(row.tps)} transactions/s in the newest interval\npg_stat_database.xact_commit + xact_rollback`}
        />
      ),
  },
  {
    id: 'connections',
    title: 'Connections',
    help: 'Connections of max_connections',
    width: 104,
    numeric: true,
    value: (row) => row.connections,
    cell: (row) =>
      row.connections == null ? (
        <Missing reason={why(row, 'connections')} />
      ) : (
        <span data-hint={`${row.connections} client backends\nsessions\nmax_connections ${row.connections_limit ?? 'not known'}`}>
          {text(count(row.connections))}
          <span className={styles.limit}>/{row.connections_limit ?? '–'}</span>
        </span>
      ),
  },
  {
    id: 'replay_lag',
    title: 'Replay lag',
    width: 128,
    numeric: true,
    unit: 'ms',
    value: (row) => row.replay_lag_ms,
    cell: (row) =>
      lag(row) === '' ? <Missing reason={why(row, 'replay_lag_ms')} /> : <span data-hint={lagHint(row)}>{lag(row)}</span>,
  },
  {
    id: 'age',
    title: 'Data age',
    help: isPast ? 'Of the newest reading, at the end of the range' : 'Since the newest reading of PostgreSQL',
    width: 96,
    numeric: true,
    unitSlot: 4,
    unit: 'ms',
    value: (row) => row.data_age_ms,
    cell: (row) =>
      row.data_age_ms == null ? (
        <Missing reason={why(row, 'age')} />
      ) : (
        <Num
          figure={coarse(Math.max(1000, row.data_age_ms))}
          hint={`Collector ${row.collector?.name ?? ''} is ${row.collector?.status ?? 'not known'}`}
        />
      ),
  },
  {
    id: 'missing',
    title: 'Not readable',
    help: 'What the collector could not read, and why',
    width: 100,
    numeric: true,
    value: (row) => row.not_readable.length,
    cell: (row) => (
      <span
        data-hint={row.not_readable
          .map((one) => `${one.set}${typeof one.column === 'string' ? `.${one.column}` : ''}: ${one.message}${typeof one.fix === 'string' ? `\n${one.fix}` : ''}`)
          .join('\n')}
      >
        {row.not_readable.length === 0 ? 'none' : row.not_readable.length}
      </span>
    ),
  },
];
