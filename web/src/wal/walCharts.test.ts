import { expect, test } from 'vitest';
import type { Wal } from '../api/model';
import { checkpointsChart, directoryChart, walChart } from './walCharts';

const NONE = [null, null];
const names = [
  'position_bytes', 'wal_bytes', 'wal_records', 'wal_fpi', 'wal_buffers_full', 'wal_writes', 'wal_syncs', 'wal_write_time_ms', 'wal_sync_time_ms',
  'checkpoints_timed', 'checkpoints_requested', 'restartpoints_done', 'checkpoint_write_time_ms', 'checkpoint_sync_time_ms', 'buffers_checkpoint',
  'buffers_clean', 'maxwritten_clean', 'buffers_alloc', 'archived', 'archive_failures', 'directory_bytes', 'ready_files',
];
const WAL = {
  grid: { start: '2026-11-21T10:00:00Z', step_ms: 10_000, points: 2 },
  in_recovery: false,
  series: { ...Object.fromEntries(names.map((name) => [name, NONE])), position_bytes: [2048, null], checkpoints_timed: [0.1, 0] },
  unmeasured: { directory_bytes: { code: 'privilege', message: 'Hidden.', fix: 'grant pg_monitor to p;' } },
  flagged_intervals: [],
} as unknown as Wal;

test('WAL is written on a primary and replayed on a standby', () => {
  expect(walChart(WAL).series).toEqual([{ id: 'wal', name: 'written', color: 1, values: [2048, null] }]);
  expect(walChart({ ...WAL, in_recovery: true }).series[0]?.name).toBe('replayed');
});

test('checkpoints by cause; what is missing says why', () => {
  expect(checkpointsChart(WAL).series.map((one) => [one.name, one.values])).toEqual([['timed', [0.1, 0]], ['requested', NONE]]);
  expect(checkpointsChart(WAL).missing).toBeNull();
  expect(directoryChart(WAL).missing).toEqual({ message: 'Hidden.', fix: 'grant pg_monitor to p;' });
});
