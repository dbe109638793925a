/** What the page of I/O says and draws. Pure. */
import type { Io, Series, Wal } from '../api/model';
import type { ChartSeries, ChartSpec } from '../charts/chart';
import { byteRate, bytes, duration, percent, rate, text, timeRate } from '../format/number';
import type { Measure } from './figures';

export type IoRow = Io['data'][number];
type SlruRow = Io['slru'][number];

/** Colours belong to kinds of processes. */
const PROCESSES = [
  'client backend', 'autovacuum worker', 'background worker', 'background writer', 'checkpointer', 'walwriter', 'startup', 'walsender', 'walreceiver',
];

const plus = (...values: (number | null | undefined)[]): number | null =>
  values.reduce<number | null>((sum, value) => (value == null ? sum : (sum ?? 0) + value), null);

export const written = (row: IoRow) => plus(row.write_bytes, row.extend_bytes);

/** Everybody together. */
function sum(rows: IoRow[], of: (row: IoRow) => number | null | undefined): number {
  return plus(...rows.map(of)) ?? 0;
}

function most(rows: IoRow[], of: (row: IoRow) => number | null | undefined, did: string): string | null {
  const all = sum(rows, of);
  if (all === 0) return null;
  const names = [...new Set(rows.map((row) => row.backend_type))];
  const own = (name: string) => sum(rows.filter((row) => row.backend_type === name), of);
  const first = names.reduce((best, name) => (own(name) > own(best) ? name : best));
  return `${first} ${did} ${text(percent(own(first) / all))} of ${text(bytes(all))}`;
}

/** Who read and who wrote most. */
export function ioHeading(io: Io): string {
  if (io.unmeasured['data'] !== undefined) return 'Who wrote buffers';
  const parts = [most(io.data, (row) => row.read_bytes, 'read'), most(io.data, written, 'wrote')].filter((part) => part !== null);
  if (parts.length > 0) return parts.join(', ').replace(/^./, (letter) => letter.toUpperCase());
  return io.covered.ms > 0 ? 'Nothing was read or written' : 'No figures of I/O';
}

function added(one: Series, other: Series): Series {
  return one.map((value, step) => plus(value, other[step]));
}

type Rates = Io['series'][number];

function byProcess(io: Io, spec: Omit<ChartSpec, 'series' | 'missing'>, of: (one: Rates) => Series, reason?: string): ChartSpec {
  const series = io.series.flatMap((one): ChartSeries[] => {
    const name = one.object === 'relation' ? one.backend_type : `${one.backend_type}, ${one.object}`;
    const values = of(one);
    const known = values.some((value) => value !== null);
    return known ? [{ id: name, name, color: (PROCESSES.indexOf(one.backend_type) + 10) % 10 + 1, values }] : [];
  });
  const why = io.unmeasured['data'] ?? (reason === undefined ? undefined : io.unmeasured[reason]);
  return { ...spec, series, missing: why === undefined ? null : { message: why.message, fix: why.fix ?? null } };
}

/** By kind of process: what was read, written, thrown out of buffers, and synced. */
export function ioCharts(io: Io): ChartSpec[] {
  const perSecond = (value: number) => rate(value);
  return [
    byProcess(io, { id: 'io_reads', title: 'Reads', unit: 'B/s', axis: 'binary', format: byteRate }, (one) => one.read_bytes),
    byProcess(io, { id: 'io_writes', title: 'Writes and extensions', unit: 'B/s', axis: 'binary', format: byteRate }, (one) => added(one.write_bytes, one.extend_bytes)),
    byProcess(io, { id: 'io_time', title: 'Time in reads and writes', unit: 'ms/s', axis: 'decimal', format: timeRate }, (one) => added(one.read_time_ms, one.write_time_ms), 'read_time_ms'),
    byProcess(io, { id: 'io_evictions', title: 'Evictions', unit: 'blocks/s', axis: 'decimal', format: perSecond }, (one) => one.evictions),
    byProcess(io, { id: 'io_fsyncs', title: 'Fsyncs', unit: '/s', axis: 'decimal', format: perSecond }, (one) => one.fsyncs),
  ].filter((spec) => spec.series.length > 0);
}

/** Who writes buffers, in every version; and what of WAL is written and synced. */
export function writerCharts(wal: Wal): ChartSpec[] {
  const of = (id: string, name: string, color: number, field: keyof Wal['series']): ChartSeries => ({ id, name, color, values: wal.series[field] });
  const missing = (field: string) => {
    const reason = wal.unmeasured[field];
    return reason === undefined ? null : { message: reason.message, fix: reason.fix ?? null };
  };
  return [
    {
      id: 'buffers', title: 'Buffers written', unit: 'blocks/s', axis: 'decimal', format: (value) => rate(value), missing: missing('buffers_backend'),
      series: [of('checkpoints', 'checkpoints', 5, 'buffers_checkpoint'), of('background writer', 'background writer', 4, 'buffers_clean'), of('backends', 'backends and others', 1, 'buffers_backend')],
    },
    {
      id: 'wal_io', title: 'WAL written and synced', unit: '/s', axis: 'decimal', format: (value) => rate(value), missing: missing('wal_writes'),
      series: [of('writes', 'writes', 1, 'wal_writes'), of('syncs', 'syncs', 2, 'wal_syncs')],
    },
  ];
}

/** Milliseconds of one write and one sync of WAL, where they are timed. */
export function walTimes(wal: Wal): string | null {
  const { wal_writes: writes, wal_write_time_ms: writing, wal_syncs: syncs, wal_sync_time_ms: syncing } = wal.totals;
  const mean = (ms: number | null | undefined, times: number | null | undefined, what: string) =>
    ms == null || times == null || times === 0 ? [] : [`one ${what} of WAL took ${text(duration(ms / times))}`];
  const parts = [...mean(writing, writes, 'write'), ...mean(syncing, syncs, 'sync')];
  return parts.length === 0 ? null : `On average ${parts.join(', ')}.`;
}

/** The table's columns; shares are of all rows. */
export function ioMeasures(rows: IoRow[]): Measure<IoRow>[] {
  const [read, wrote] = [sum(rows, (row) => row.read_bytes), sum(rows, written)];
  const share = (part: number | null | undefined, whole: number) => (part == null || whole === 0 ? null : part / whole);
  return [
    { id: 'bytes', title: 'All', kind: 'bytes', help: 'Read, written and added', field: 'read_bytes', value: (row) => plus(row.read_bytes, written(row)) },
    { id: 'read_bytes', title: 'Read', kind: 'bytes', help: 'Bytes read; they may come from the operating system’s cache' },
    { id: 'read_share', title: 'Of reads', kind: 'ratio', help: 'Share of all bytes read', field: 'read_bytes', value: (row) => share(row.read_bytes, read) },
    { id: 'mean_read_ms', title: 'One read', kind: 'ms', help: 'On average', field: 'read_time_ms', value: (row) => row.mean_read_ms },
    { id: 'written', title: 'Written', kind: 'bytes', help: 'Bytes written and added', field: 'write_bytes', value: written },
    { id: 'write_share', title: 'Of writes', kind: 'ratio', help: 'Share of all bytes written and added', field: 'write_bytes', value: (row) => share(written(row), wrote) },
    { id: 'extend_bytes', title: 'Added', kind: 'bytes', help: 'Bytes by which relations were extended' },
    { id: 'mean_write_ms', title: 'One write', kind: 'ms', help: 'On average', field: 'write_time_ms', value: (row) => row.mean_write_ms },
    { id: 'hit_ratio', title: 'Hit %', kind: 'ratio', help: 'Blocks found in buffers, of those asked for' },
    { id: 'evictions', title: 'Evictions', kind: 'count', help: 'Blocks that had to leave a buffer to make room' },
    { id: 'reuses', title: 'Reuses', kind: 'count', help: 'Buffers of a ring that were used again' },
    { id: 'fsyncs', title: 'Fsyncs', kind: 'count', help: 'Calls of fsync; the checkpointer is to do them' },
    { id: 'mean_fsync_ms', title: 'One fsync', kind: 'ms', help: 'On average', field: 'fsync_time_ms', value: (row) => row.mean_fsync_ms },
  ];
}

export const SLRU_MEASURES: Measure<SlruRow>[] = [
  { id: 'slru_blks_hit', field: 'blks_hit', title: 'Found', kind: 'count', help: 'Pages found in it' },
  { id: 'slru_blks_read', field: 'blks_read', title: 'Read', kind: 'count', help: 'Pages read from disk' },
  { id: 'slru_hit_ratio', field: 'hit_ratio', title: 'Hit %', kind: 'ratio', help: 'Pages found in it, of those asked for' },
  { id: 'slru_blks_written', field: 'blks_written', title: 'Written', kind: 'count', help: 'Pages written to disk' },
  { id: 'slru_blks_zeroed', field: 'blks_zeroed', title: 'Begun', kind: 'count', help: 'Pages begun' },
  { id: 'slru_blks_exists', field: 'blks_exists', title: 'Asked for', kind: 'count', help: 'Pages asked for whether they exist' },
  { id: 'slru_flushes', field: 'flushes', title: 'Flushes', kind: 'count', help: 'Flushes of all that is dirty' },
  { id: 'slru_truncates', field: 'truncates', title: 'Truncates', kind: 'count', help: 'Truncations' },
];
