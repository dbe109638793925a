/** The host's small charts of the overview: processors, memory, disk latency, fullness. Pure. */
import type { Disks, Host, Series, Unmeasured } from '../api/model';
import type { ChartSeries, ChartSpec } from '../charts/chart';
import { byteRate, bytes, duration, percent } from '../format/number';

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

/**
 * What is in use, so that it cannot be given to a program: of the container's limit where there is one, else of the
 * host. Page cache that the kernel gives back first is not in use.
 */
export function memoryChart(host: Host): ChartSpec {
  const of = (column: string) => host.memory[column] ?? [];
  const less = (all: Series, part: Series): Series =>
    all.map((value, step) => {
      const taken = part[step] ?? null;
      return value === null || taken === null ? null : value - taken;
    });
  const limit = host.state?.memory_limit_bytes ?? null;
  const whole = limit ?? host.state?.memory_total_bytes ?? null;
  const values =
    limit === null
      ? less(of('total_bytes'), of('available_bytes'))
      : less(of('memory_used_bytes'), of('memory_inactive_file_bytes'));
  return {
    id: 'memory', title: 'Memory', unit: limit === null ? 'B of the host' : 'B of the container', axis: 'binary', format: bytes,
    series: [{ id: 'in use', name: 'in use', color: 1, values }],
    limit: whole === null ? null : { value: whole, label: limit === null ? 'all memory' : 'limit of the container' },
    missing: missing(host.unmeasured, 'host_memory'),
  };
}

/** Colours and order of what is waited for. */
const RESOURCES = ['cpu', 'memory', 'io', 'container cpu', 'container memory', 'container io'];

/** What tasks had to wait for. Not every kernel counts it. */
export function pressureChart(host: Host): ChartSpec {
  const series = RESOURCES.flatMap((name, index): ChartSeries[] => {
    const values = host.pressure[name];
    return values === undefined ? [] : [{ id: name, name, color: index + 1, values }];
  });
  const reason = host.unmeasured['host_pressure'];
  const absent = reason === undefined && series.length === 0 && host.busy.some((value) => value !== null);
  const why = { message: 'The kernel of this host does not count pressure (PSI), or nothing was read.' };
  return { id: 'host_pressure', title: 'Pressure', unit: '% of the time in which a task waited for it', axis: 'decimal', format: percent, series, missing: absent ? why : missing(host.unmeasured, 'host_pressure') };
}

/** The interfaces that carried most come first, those received below those sent. */
export function networkChart(host: Host): ChartSpec {
  const work = (one: Host['network'][number]) => [...one.received_bytes, ...one.sent_bytes].reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const busiest = host.network.toSorted((a, b) => work(b) - work(a)).slice(0, MAX_SERIES / 2);
  const series = busiest.flatMap((one, index): ChartSeries[] => [
    { id: `${one.interface} received`, name: `${one.interface} received`, color: 2 * index + 1, values: one.received_bytes },
    { id: `${one.interface} sent`, name: `${one.interface} sent`, color: 2 * index + 2, values: one.sent_bytes },
  ]);
  return { id: 'network', title: 'Network', unit: 'B/s', axis: 'binary', format: byteRate, series, missing: missing(host.unmeasured, 'host_network') };
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

/** A file system with what of the instance is on it. */
function holding(one: Disks['filesystems'][number]): string {
  const spaces = one.tablespaces ?? '';
  const held = [
    one.holds_data_directory === true ? 'data directory' : '',
    one.holds_wal === true ? 'WAL' : '',
    spaces === '' ? '' : `${spaces.includes(', ') ? 'tablespaces' : 'tablespace'} ${spaces}`,
  ].filter((part) => part !== '');
  return held.length === 0 ? one.mount_point : `${one.mount_point} (${held.join(', ')})`;
}

/** How much of the instance is on a file system. */
function weight(one: Disks['filesystems'][number]): number {
  return Number(one.holds_data_directory ?? false) * 4 + Number(one.holds_wal ?? false) * 2 + Number((one.tablespaces ?? '') !== '');
}

/** The file system with the data directory is named so, and stands first; then those with something else of the instance. */
export function fullChart(disks: Disks): ChartSpec {
  const ordered = disks.filesystems.toSorted((a, b) => weight(b) - weight(a) || (b.used_share ?? 0) - (a.used_share ?? 0));
  const series = ordered.slice(0, MAX_SERIES).map((one, index): ChartSeries => ({
    id: one.mount_point,
    name: holding(one),
    color: index + 1,
    values: one.used_share_series,
  }));
  return { id: 'disk_full', title: 'Disk full', unit: '%', axis: 'decimal', format: percent, series, missing: missing(disks.unmeasured, 'host_filesystems') };
}
