/** The host's three small charts of the overview: processors, disk latency, fullness. Pure. */
import type { Disks, Host, Unmeasured } from '../api/model';
import type { ChartSeries, ChartSpec } from '../charts/chart';
import { duration, percent } from '../format/number';

const MAX_SERIES = 10;

/** Kinds of processor time in the order of their colours; idle is what is left. */
const KINDS = [
  { name: 'user', color: 1 },
  { name: 'nice', color: 3 },
  { name: 'system', color: 2 },
  { name: 'iowait', color: 4 },
  { name: 'irq', color: 5 },
  { name: 'softirq', color: 6 },
  { name: 'steal', color: 7 },
];

function missing(unmeasured: Unmeasured | undefined, set: string): ChartSpec['missing'] {
  const reason = unmeasured?.[set];
  return reason === undefined ? { message: 'No reading of the host in this range.' } : { message: reason.message, fix: reason.fix ?? null };
}

export function cpuChart(host: Host): ChartSpec {
  const series = KINDS.map(({ name, color }): ChartSeries => ({ id: name, name, color, values: host.cpu[name] ?? [] }));
  const read = series.filter((one) => one.values.some((value) => value !== null));
  return { id: 'host_cpu', title: 'Host CPU', unit: '% of all processors', axis: 'decimal', format: percent, series: read.length === 0 ? series : read, missing: missing(host.unmeasured, 'host_cpu') };
}

/** The devices that did most come first, and each keeps its colour while it is among them. */
export function latencyChart(disks: Disks): ChartSpec {
  const work = (device: Disks['devices'][number]) => (device.reads ?? 0) + (device.writes ?? 0);
  const busiest = disks.devices.toSorted((a, b) => work(b) - work(a)).slice(0, MAX_SERIES);
  const series = busiest
    .toSorted((a, b) => a.device.localeCompare(b.device))
    .map((device, index): ChartSeries => ({ id: device.device, name: device.device, color: index + 1, values: device.series.latency_ms, mean: device.latency_ms ?? null }));
  return { id: 'disk_latency', title: 'Disk latency', unit: 'per read or write', axis: 'decimal', format: duration, series, missing: missing(disks.unmeasured, 'host_disks') };
}

/** The file system with the data directory is named so, and stands first. */
export function fullChart(disks: Disks): ChartSpec {
  const ordered = disks.filesystems.toSorted((a, b) => Number(b.holds_data_directory ?? false) - Number(a.holds_data_directory ?? false) || (b.used_share ?? 0) - (a.used_share ?? 0));
  const series = ordered.slice(0, MAX_SERIES).map((one, index): ChartSeries => ({
    id: one.mount_point,
    name: one.holds_data_directory === true ? `${one.mount_point} (data directory)` : one.mount_point,
    color: index + 1,
    values: one.used_share_series,
  }));
  return { id: 'disk_full', title: 'Disk full', unit: '%', axis: 'decimal', format: percent, series, missing: missing(disks.unmeasured, 'host_filesystems') };
}
