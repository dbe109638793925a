import type { Ranking, StatementFigures, Unmeasured } from '../api/model';
import { Sparkline } from '../charts/Sparkline';
import { Foreign } from '../format/Foreign';
import { average, bytes, count, duration, exact, percent, rate, text, type Figure } from '../format/number';
import { Missing, Num } from '../format/Num';
import { eachPerSecond, perSecond } from '../rates/perSecond';
import type { Column } from '../tables/column';
import type { Instants } from '../time/range';
import { moment, type Zone } from '../time/zone';
import { QueryLink } from './QueryLink';
import styles from './QueriesPage.module.css';
import { ORDER, rowsPerCall, textOf, type Line } from './ranking';

/** What leaves room for the text, which people look for; the others are one choice away. */
export const DEFAULT_COLUMNS = ['query', 'share', 'time', 'trend', 'calls', 'mean', 'rows', 'hit', 'database', 'user'];

/** Wider than any figure, so that a statement can be told from the next. */
const TEXT_WIDTH = 420;

export interface ColumnContext {
  instanceId: string;
  /** Bytes of a block of the instance; null while it is not known. */
  blockSize: number | null;
  unmeasured: Unmeasured;
  ranking: Ranking | null;
  range: Instants;
  zone: Zone;
  filter: (name: 'db' | 'user', value: string) => void;
}

interface Measure {
  id: string;
  title: string;
  help: string;
  width: number;
  unitSlot?: number;
  unit?: string;
  /** Columns of the API it stands on; the first names the reason when it is not measured. */
  source: string;
  value: (figures: StatementFigures) => number | null | undefined;
  figure: (value: number) => Figure;
}

function measures(readMs: number | null, blockSize: number | null): Measure[] {
  const blocks = (value: number | null | undefined) =>
    value == null || blockSize === null ? null : value * blockSize;
  return [
    { id: 'time', title: 'Time', help: 'Time executing, all calls together', width: 104, unitSlot: 4, unit: 'ms', source: 'total_exec_time', value: (f) => f.total_exec_time_ms, figure: duration },
    { id: 'calls', title: 'Calls', help: 'Executions', width: 72, unitSlot: 2, source: 'calls', value: (f) => f.calls, figure: count },
    { id: 'calls_s', title: 'Calls/s', help: 'Executions per second of what was read', width: 88, unitSlot: 6, unit: '1/s', source: 'calls', value: (f) => perSecond(f.calls, readMs), figure: (value) => rate(value) },
    { id: 'mean', title: 'Mean', help: 'Time per call', width: 82, unitSlot: 4, unit: 'ms', source: 'mean_exec_time', value: (f) => f.mean_exec_time_ms, figure: duration },
    { id: 'stddev', title: 'Stddev', help: 'Standard deviation of the time per call', width: 92, unitSlot: 4, unit: 'ms', source: 'stddev_exec_time', value: (f) => f.stddev_exec_time_ms, figure: duration },
    { id: 'min', title: 'Min since reset', help: 'Shortest call since the entry was reset, not only in this range', width: 116, unitSlot: 4, unit: 'ms', source: 'min_exec_time', value: (f) => f.min_exec_time_since_ms, figure: duration },
    { id: 'max', title: 'Max since reset', help: 'Longest call since the entry was reset, not only in this range', width: 116, unitSlot: 4, unit: 'ms', source: 'max_exec_time', value: (f) => f.max_exec_time_since_ms, figure: duration },
    { id: 'rows', title: 'Rows/call', help: 'Rows returned or changed per call', width: 76, unitSlot: 2, source: 'rows', value: rowsPerCall, figure: average },
    { id: 'hit', title: 'Hit %', help: 'Shared blocks found in shared_buffers, of those wanted', width: 66, unitSlot: 2, unit: 'ratio', source: 'shared_blks_hit', value: (f) => f.cache_hit_ratio, figure: percent },
    { id: 'read', title: 'Read', help: 'Shared blocks read from outside shared_buffers, in bytes', width: 80, unitSlot: 4, unit: 'bytes', source: 'shared_blks_read', value: (f) => blocks(f.shared_blks_read), figure: bytes },
    { id: 'dirtied', title: 'Dirtied', help: 'Shared blocks dirtied, in bytes', width: 88, unitSlot: 4, unit: 'bytes', source: 'shared_blks_dirtied', value: (f) => blocks(f.shared_blks_dirtied), figure: bytes },
    { id: 'temp', title: 'Temp', help: 'Temporary blocks written, in bytes', width: 80, unitSlot: 4, unit: 'bytes', source: 'temp_blks_written', value: (f) => blocks(f.temp_blks_written), figure: bytes },
    { id: 'wal', title: 'WAL', help: 'Write-ahead log generated', width: 76, unitSlot: 4, unit: 'bytes', source: 'wal_bytes', value: (f) => f.wal_bytes, figure: bytes },
    { id: 'plan', title: 'Plan', help: 'Time planning', width: 92, unitSlot: 4, unit: 'ms', source: 'total_plan_time', value: (f) => f.total_plan_time_ms, figure: duration },
    { id: 'io_read', title: 'I/O read', help: 'Time reading shared blocks', width: 92, unitSlot: 4, unit: 'ms', source: 'shared_blk_read_time', value: (f) => f.blk_read_time_ms, figure: duration },
    { id: 'io_write', title: 'I/O write', help: 'Time writing shared blocks', width: 92, unitSlot: 4, unit: 'ms', source: 'shared_blk_write_time', value: (f) => f.blk_write_time_ms, figure: duration },
  ];
}

/** Why a line has no value of a measure. */
function why(measure: Measure, line: Line, unmeasured: Unmeasured): string {
  const known = unmeasured[ORDER[measure.id] ?? measure.source] ?? unmeasured[measure.source];
  if (known !== undefined) return known.message;
  if (line.others === true) return 'Not known for the statements that are not listed.';
  if (measure.id === 'hit') return 'No shared block was wanted.';
  if (measure.id === 'mean' || measure.id === 'rows') return 'No call finished in this range.';
  return 'Not enough data.';
}

function measured(measure: Measure, context: ColumnContext): Column<Line> {
  const { id, title, help, width, unitSlot, unit, source } = measure;
  const span = `${moment(context.range.start, context.zone)} – ${moment(context.range.end, context.zone)}`;
  return {
    id, title, width, numeric: true,
    help: `${help}\npg_stat_statements.${source}`,
    ...(unitSlot === undefined ? {} : { unitSlot }),
    ...(unit === undefined ? {} : { unit }),
    value: (line) => measure.value(line),
    cell: (line) => {
      const value = measure.value(line);
      if (value == null) return <Missing reason={why(measure, line, context.unmeasured)} />;
      const incomplete = line.others !== true && !line.complete;
      const hint = `${exact(value)}${unit === undefined ? '' : ` ${unit}`}\npg_stat_statements.${source}\n${span}`;
      return (
        <Num figure={measure.figure(value)} hint={incomplete ? `${hint}\nFor part of this range it was counted in 'others'.` : hint} />
      );
    },
  };
}

/** Every column of the ranking, in the order a reader wants them; the chooser picks from these. */
export function rankingColumns(context: ColumnContext): Column<Line>[] {
  const all = measures(context.ranking?.covered.ms ?? null, context.blockSize).map((measure) => measured(measure, context));
  const at = (id: string) => all.filter((column) => column.id === id);
  const rest = all.filter((column) => column.id !== 'time');
  return [
    {
      id: 'query', title: 'Query', width: TEXT_WIDTH, grow: true,
      value: (line) => (line.others === true ? null : line.query),
      // One line, as it is shown; the statement's page copies the text as it is.
      copied: [{ title: 'Query', value: (line) => (line.others === true || line.query == null ? null : textOf(line).text) }],
      cell: (line) =>
        line.others === true ? <Others statements={line.statements} /> : <QueryLink instanceId={context.instanceId} row={line} />,
    },
    {
      id: 'share', title: 'Share', help: 'Share of the time of all top-level statements, others included', width: 116,
      numeric: true, unitSlot: 2, unit: 'ratio',
      value: (line) => line.share_of_total,
      cell: (line) => <Share line={line} ranking={context.ranking} />,
    },
    ...at('time'),
    {
      id: 'trend', title: 'Trend', help: 'Time per second, from zero to its own highest; gaps are gaps', width: 92,
      cell: (line) => (line.others === true ? null : <Sparkline values={eachPerSecond(line.trend, context.ranking?.covered_ms ?? [])} />),
    },
    ...rest,
    { id: 'database', title: 'Database', width: 78, value: (line) => (line.others === true ? null : line.database), cell: (line) => line.others === true ? null : <Filter value={line.database} pick={(value) => context.filter('db', value)} /> },
    { id: 'user', title: 'User', width: 78, value: (line) => (line.others === true ? null : line.user), cell: (line) => line.others === true ? null : <Filter value={line.user} pick={(value) => context.filter('user', value)} /> },
    { id: 'level', title: 'Level', help: 'Top-level, or nested in a function', width: 84, value: (line) => (line.others === true ? null : line.toplevel), cell: (line) => (line.others === true ? null : line.toplevel ? 'top' : 'nested') },
    { id: 'queryid', title: 'queryid', width: 168, value: (line) => (line.others === true ? null : line.queryid), cell: (line) => (line.others === true ? null : <code>{line.queryid}</code>) },
  ];
}

function Others({ statements }: { statements: number | null }) {
  return (
    <span data-hint="What is not listed: statements below the limit, here or in the collector.">
      others ({statements == null ? 'not counted' : `${text(count(statements))} statements`})
    </span>
  );
}

function Share({ line, ranking }: { line: Line; ranking: Ranking | null }) {
  const share = line.share_of_total;
  if (share == null) {
    const nested = line.others !== true && !line.toplevel;
    if (nested) return <Missing reason="Nested statements are counted inside their callers. Shares use top-level statements only." />;
    return <Missing reason={ranking?.shares_measurable === false ? 'Shares are not measurable here.' : 'Not enough data.'} />;
  }
  return (
    <span className={styles.share}>
      <span className={styles.track} aria-hidden="true">
        <span className={styles.bar} style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      <Num figure={percent(share)} hint={`${exact(share * 100)} % of the time of all top-level statements`} />
    </span>
  );
}

function Filter({ value, pick }: { value: string | null; pick: (value: string) => void }) {
  if (value == null) return <Missing reason="Dropped since, or not readable." />;
  return (
    <button type="button" className={styles.pick} tabIndex={-1} data-hint={`Only ${value}`} onClick={() => pick(value)}>
      <Foreign text={value} />
    </button>
  );
}
