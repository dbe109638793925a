/** The eight charts of one statement, from its timeline. Pure. */
import type { Series, StatementFigures, Timeline, Unmeasured } from '../api/model';
import type { ChartSeries, ChartSpec } from '../charts/chart';
import { average, byteRate, duration, rate, timeRate, type Figure } from '../format/number';
import { BLOCK_BYTES } from '../queries/ranking';
import { eachPerSecond } from '../rates/perSecond';

/** Mean number of sessions busy with the statement: seconds of work per second, most often far below one. */
function active(value: number): Figure {
  return value === 0 || value >= 0.1 ? average(value) : { value: significant(value), unit: '' };
}

/** Two digits, never as a power of ten. */
function significant(value: number): string {
  return value < 0.00001 ? '< 0.00001' : value.toFixed(Math.min(6, 1 - Math.floor(Math.log10(value))));
}

function first(unmeasured: Unmeasured, names: string[]): ChartSpec['missing'] {
  for (const name of names) {
    const reason = unmeasured[name];
    if (reason !== undefined) return { message: reason.message, fix: reason.fix ?? null };
  }
  return null;
}

/** Block counters of PostgreSQL, as the reader says them. */
const BLOCKS = [
  { name: 'shared_blks_hit', label: 'hit', color: 1 },
  { name: 'shared_blks_read', label: 'read', color: 2 },
  { name: 'shared_blks_dirtied', label: 'dirtied', color: 3 },
  { name: 'shared_blks_written', label: 'written', color: 4 },
];

export function statementCharts(timeline: Timeline, figures: StatementFigures | null): ChartSpec[] {
  const { series } = timeline;
  const unmeasured = timeline.unmeasured;
  const of = (name: string, factor = 1): Series => eachPerSecond(series[name], timeline.covered_ms, factor);
  const missing = (...names: string[]) => first(unmeasured, names);
  const one = (id: string, values: Series, mean?: number | null): ChartSeries[] => [
    { id, name: id, color: 1, values, ...(mean === undefined ? {} : { mean }) },
  ];
  return [
    { id: 'calls', title: 'Calls', unit: '/s', axis: 'decimal', format: (v) => rate(v), series: one('calls', of('calls')), missing: missing('calls') },
    {
      id: 'mean', title: 'Mean', unit: 'per call', axis: 'decimal', format: duration,
      series: one('mean', series['mean_exec_time_ms'] ?? [], figures?.mean_exec_time_ms ?? null),
      missing: missing('mean_exec_time_ms', 'total_exec_time_ms'),
    },
    {
      id: 'active', title: 'Average active', unit: 's/s', axis: 'decimal', format: active,
      series: one('active', of('total_exec_time_ms', 1 / 1000)), missing: missing('total_exec_time_ms'),
    },
    { id: 'rows', title: 'Rows', unit: '/s', axis: 'decimal', format: (v) => rate(v), series: one('rows', of('rows')), missing: missing('rows') },
    {
      id: 'blocks', title: 'Blocks', unit: 'B/s', axis: 'binary', format: byteRate,
      series: BLOCKS.map(({ name, label, color }) => ({ id: label, name: label, color, values: of(name, BLOCK_BYTES) })),
      missing: missing(...BLOCKS.map((block) => block.name)),
    },
    {
      id: 'io', title: 'I/O time', unit: 'per second', axis: 'decimal', format: timeRate,
      series: [
        { id: 'read', name: 'read', color: 2, values: of('blk_read_time_ms') },
        { id: 'write', name: 'write', color: 4, values: of('blk_write_time_ms') },
      ],
      missing: missing('blk_read_time_ms', 'blk_write_time_ms'),
    },
    {
      id: 'temp', title: 'Temporary files', unit: 'B/s', axis: 'binary', format: byteRate,
      series: [
        { id: 'read', name: 'read', color: 2, values: of('temp_blks_read', BLOCK_BYTES) },
        { id: 'written', name: 'written', color: 4, values: of('temp_blks_written', BLOCK_BYTES) },
      ],
      missing: missing('temp_blks_written', 'temp_blks_read'),
    },
    {
      id: 'wal', title: 'WAL', unit: 'B/s', axis: 'binary', format: byteRate,
      series: one('wal', of('wal_bytes')), missing: missing('wal_bytes'),
    },
  ];
}
