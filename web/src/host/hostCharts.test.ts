import { expect, it } from 'vitest';
import type { Disks, Host } from '../api/model';
import { cpuChart, fullChart, latencyChart, memoryChart, networkChart, pressureChart } from './hostCharts';
import { RANGE } from '../tests/covered';

const grid = { start: '2026-03-01T00:00:00Z', step_ms: 60_000, points: 1 };

function device(name: string, reads: number): Disks['devices'][number] {
  const figures = { reads, writes: 0, read_bytes: 0, written_bytes: 0, read_latency_ms: 2, write_latency_ms: null, latency_ms: 2, utilisation: 0, queue: 0 };
  const one = [null];
  const series = { reads: one, writes: one, read_bytes: one, written_bytes: one, read_latency_ms: [2], write_latency_ms: one, latency_ms: [2], utilisation: one, queue: one };
  return { device: name, ...figures, series };
}

const system = (mount_point: string, used_share: number, holds: boolean | null): Disks['filesystems'][number] => ({
  mount_point, device: null, fs_type: null, size_bytes: 1, available_bytes: 1, used_share, inodes_used_share: null, holds_data_directory: holds, used_share_series: [used_share],
});

it('leaves out kinds of processor time that nobody reads, and says why when there are none', () => {
  const host: Host = { grid, cpu: { user: [0.5], steal: [null] }, busy: [0.5], load: {}, memory: {}, state: null, pressure: {}, full_pressure: {}, network: [], unmeasured: {}, flagged_intervals: [], gaps: [], covered: { ...RANGE, ms: 60_000, share: 1 } };
  expect(cpuChart(host).series.map((one) => one.name)).toEqual(['user']);
  const away = { ...host, cpu: {}, unmeasured: { host_cpu: { code: 'machine', message: 'The collector runs on another machine than this instance.' } } };
  expect(cpuChart(away).missing?.message).toBe('The collector runs on another machine than this instance.');
});

it('shows memory against the limit of the container, else against the host', () => {
  const host: Host = {
    grid, cpu: {}, busy: [], load: {}, state: null, pressure: {}, full_pressure: {}, network: [], unmeasured: {}, flagged_intervals: [], gaps: [], covered: { ...RANGE, ms: 60_000, share: 1 },
    memory: { total_bytes: [8000, 8000, null], available_bytes: [6000, null, null], memory_used_bytes: [1800, null, null], memory_inactive_file_bytes: [500, null, null] },
  };
  expect(memoryChart(host).series[0]?.values).toEqual([2000, null, null]);
  const state = { at: '2026-03-01T12:00:00Z', memory_total_bytes: 8000, memory_limit_bytes: 2000 };
  expect(memoryChart({ ...host, state }).series[0]?.values).toEqual([1300, null, null]);
  expect(memoryChart({ ...host, state }).limit).toEqual({ value: 2000, label: 'limit of the container' });
});

it('shows the busiest devices by name, and the data directory first', () => {
  const devices = Array.from({ length: 12 }, (_, index) => device(`sd${String.fromCharCode(97 + index)}`, index));
  const disks: Disks = { grid, devices, at: null, filesystems: [system('/', 0.9, false), system('/data', 0.4, true)], unmeasured: {}, flagged_intervals: [], gaps: [], covered: { ...RANGE, ms: 60_000, share: 1 } };
  const names = latencyChart(disks).series.map((one) => one.name);
  expect(names).toHaveLength(10);
  expect(names[0]).toBe('sdc');
  expect(fullChart(disks).series.map((one) => one.name)).toEqual(['/data (data directory)', '/']);
});

it('shows pressure in its order, and says why there is none', () => {
  const host: Host = { grid, cpu: {}, busy: [0.5], load: {}, memory: {}, state: null, pressure: { io: [0.1], cpu: [0.5] }, full_pressure: {}, network: [], unmeasured: {}, flagged_intervals: [], gaps: [], covered: { ...RANGE, ms: 60_000, share: 1 } };
  expect(pressureChart(host).series.map((one) => one.name)).toEqual(['cpu', 'io']);
  expect(pressureChart({ ...host, pressure: {} }).missing?.message).toContain('does not count pressure');
  const unread = { ...host, busy: [null], pressure: {} };
  expect(pressureChart(unread).missing?.message).toBe('No reading of the host in this range.');
});

it('shows the interfaces that carry most, both ways', () => {
  const carried = (name: string, bytes: number) => ({ interface: name, received_bytes: [bytes], sent_bytes: [null], lost_packets: [0] });
  const network = Array.from({ length: 7 }, (_, index) => carried(`eth${index}`, index));
  const host: Host = { grid, cpu: {}, busy: [], load: {}, memory: {}, state: null, pressure: {}, full_pressure: {}, network, unmeasured: {}, flagged_intervals: [], gaps: [], covered: { ...RANGE, ms: 60_000, share: 1 } };
  const names = networkChart(host).series.map((one) => one.name);
  expect(names).toHaveLength(10);
  expect(names.slice(0, 2)).toEqual(['eth6 received', 'eth6 sent']);
});

it('says what of the instance is on a file system', () => {
  const disks: Disks = { grid, devices: [], at: null, filesystems: [], unmeasured: {}, flagged_intervals: [], gaps: [], covered: { ...RANGE, ms: 60_000, share: 1 } };
  const named = (more: Partial<Disks['filesystems'][number]>) => fullChart({ ...disks, filesystems: [{ ...system('/a', 0.5, null), ...more }] }).series[0]?.name;
  expect(named({})).toBe('/a');
  expect(named({ holds_data_directory: true, holds_wal: true, tablespaces: '' })).toBe('/a (data directory, WAL)');
  expect(named({ tablespaces: 'cold' })).toBe('/a (tablespace cold)');
  expect(named({ holds_wal: true, tablespaces: 'cold, "Warm"' })).toBe('/a (WAL, tablespaces cold, "Warm")');
});
