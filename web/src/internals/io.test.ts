import { expect, it } from 'vitest';
import type { Io } from '../api/model';
import { RANGE } from '../tests/covered';
import { ioCharts, ioHeading, ioMeasures, walTimes, type IoRow } from './io';

const covered = { ...RANGE, ms: 60_000, share: 1 };

function row(backend_type: string, figures: Partial<IoRow>): IoRow {
  return { backend_type, object: 'relation', context: 'normal', ...figures };
}

const NONE: Io = {
  grid: { start: RANGE.start, step_ms: 60_000, points: 2 }, data: [], series: [], slru: [], findings: [], unmeasured: {}, flagged_intervals: [], gaps: [],
  buffers: {}, covered, slru_covered: covered, buffers_covered: covered,
};

it('tells who read and who wrote most', () => {
  const data = [
    row('client backend', { read_bytes: 3000, write_bytes: 0, extend_bytes: 100 }),
    row('checkpointer', { write_bytes: 300 }),
    row('autovacuum worker', { read_bytes: 1000 }),
  ];
  expect(ioHeading({ ...NONE, data })).toBe('Client backend read 75\u00a0% of 3.91\u00a0KiB, checkpointer wrote 75\u00a0% of 400\u00a0B');
  expect(ioHeading(NONE)).toBe('Nothing was read or written');
  expect(ioHeading({ ...NONE, covered: { ...covered, ms: 0 } })).toBe('No figures of I/O');
  const before16 = { data: { code: 'version', message: 'Needs PostgreSQL 16; here is 15.4.' } };
  expect(ioHeading({ ...NONE, unmeasured: before16 })).toBe('Who wrote buffers');
});

it('draws what a kind of process did, and nothing of what it cannot do', () => {
  const none = [null, null];
  const one = (backend_type: string, write_bytes: (number | null)[]): Io['series'][number] =>
    ({ backend_type, object: 'relation', read_bytes: none, write_bytes, extend_bytes: none, read_time_ms: none, write_time_ms: none, hits: none, evictions: none, fsyncs: none });
  const charts = ioCharts({ ...NONE, series: [one('checkpointer', [5, null]), one('client backend', none)] });
  expect(charts.map((chart) => chart.id)).toEqual(['io_writes']);
  expect(charts[0]?.series.map((series) => [series.name, series.values])).toEqual([['checkpointer', [5, null]]]);
});

it('takes shares of what is known, and of nothing none', () => {
  const rows = [row('client backend', { read_bytes: 300 }), row('checkpointer', { read_bytes: null }), row('startup', { read_bytes: 100 })];
  const share = ioMeasures(rows).find((measure) => measure.id === 'read_share');
  expect(rows.map((one) => share?.value?.(one))).toEqual([0.75, null, 0.25]);
  const wrote = ioMeasures(rows).find((measure) => measure.id === 'write_share');
  expect(rows.map((one) => wrote?.value?.(one))).toEqual([null, null, null]);
});

it('tells how long WAL takes only where it is timed', () => {
  const wal = (totals: object) => walTimes({ totals } as Parameters<typeof walTimes>[0]);
  expect(wal({ wal_writes: 4, wal_write_time_ms: 8, wal_syncs: 0, wal_sync_time_ms: 0 })).toBe('On average one write of WAL took 2.00\u00a0ms.');
  expect(wal({ wal_writes: 4 })).toBeNull();
});
