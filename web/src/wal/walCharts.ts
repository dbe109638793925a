/** The charts of an instance's WAL and checkpoints, from the `wal` answer. Pure. */
import type { Wal } from '../api/model';
import type { ChartSeries, ChartSpec } from '../charts/chart';
import { byteRate, bytes, count, rate } from '../format/number';

type Name = keyof Wal['series'];

function missing(wal: Wal, ...names: Name[]): ChartSpec['missing'] {
  for (const name of names) {
    const reason = wal.unmeasured[name];
    if (reason !== undefined) return { message: reason.message, fix: reason.fix ?? null };
  }
  return null;
}

function series(wal: Wal, id: string, color: number, name: Name): ChartSeries {
  return { id, name: id, color, values: wal.series[name] };
}

/** Bytes by which the position went on: written on a primary, replayed on a standby. */
export function walChart(wal: Wal): ChartSpec {
  const word = wal.in_recovery === true ? 'replayed' : 'written';
  return {
    id: 'wal', title: 'WAL', unit: 'B/s', axis: 'binary', format: byteRate,
    series: [{ ...series(wal, 'wal', 1, 'position_bytes'), name: word }],
    missing: missing(wal, 'position_bytes'),
  };
}

/** Checkpoints that were begun, by their cause. */
export function checkpointsChart(wal: Wal): ChartSpec {
  return {
    id: 'checkpoints', title: 'Checkpoints', unit: '/s', axis: 'decimal', format: (value) => rate(value),
    series: [series(wal, 'timed', 1, 'checkpoints_timed'), series(wal, 'requested', 2, 'checkpoints_requested')],
    missing: missing(wal, 'checkpoints_timed', 'checkpoints_requested'),
  };
}

/** What lies in pg_wal. */
export function directoryChart(wal: Wal): ChartSpec {
  return {
    id: 'pg_wal', title: 'WAL directory', unit: 'B', axis: 'binary', format: bytes,
    series: [series(wal, 'size', 1, 'directory_bytes')],
    missing: missing(wal, 'directory_bytes'),
  };
}

/** Segments that were archived, could not be, and wait. */
export function archiverChart(wal: Wal): ChartSpec {
  return {
    id: 'archiver', title: 'Archiver', unit: 'segments', axis: 'decimal', format: count,
    series: [series(wal, 'waiting', 2, 'ready_files')],
    missing: missing(wal, 'ready_files'),
  };
}
