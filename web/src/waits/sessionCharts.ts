/** The charts of sessions: by wait class, and by state. Pure. */
import type { Connections, SessionSeries, Unmeasured, Waits } from '../api/model';
import type { ChartSpec } from '../charts/chart';
import { average } from '../format/number';

/** Off by default: processes that wait for work. */
const IDLE_CLASS = 'Activity';
const CLASSES = ['CPU', 'IO', 'Client', 'BufferPin', 'IPC', 'Timeout', 'LWLock', 'Lock', 'Activity', 'Extension', 'Other'];

const STATE_TOKENS: Record<string, string> = {
  active: 'data-1',
  idle: 'text-3',
  'idle in transaction': 'warning',
  'idle in transaction (aborted)': 'critical',
  other: 'data-10',
};

function why(unmeasured: Unmeasured): ChartSpec['missing'] {
  const reason = unmeasured['series'];
  return reason === undefined ? null : { message: reason.message, fix: reason.fix ?? null };
}

/** Keys of the URL hold no spaces or brackets. */
const key = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '');

/** What tells them apart, besides the class of their waits. */
export const WAITS_BY = ['event', 'database', 'user', 'application', 'query'];

/** By wait class, or by what else was asked for; `cpus` is null where it is not known. */
export function waitsChart(waits: Waits, cpus: number | null): ChartSpec {
  const shown = waits.series.filter((series) => series.name !== IDLE_CLASS);
  const unit = ['active sessions', cpus === null && 'CPU count not known', waits.samples?.message].filter(Boolean).join('; ');
  return {
    id: 'waits', title: 'Load', unit, axis: 'decimal',
    format: average, stacked: true, idle: 'without load', missing: why(waits.unmeasured),
    limit: cpus === null ? null : { value: cpus, label: `${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}` },
    series: shown.map((series, index) => ({
      id: key(series.name), name: series.query ?? series.name, color: (index % 10) + 1, values: series.values, mean: series.mean ?? null,
      ...(CLASSES.includes(series.name) ? { token: `wait-${series.name.toLowerCase()}` } : {}),
    })),
  };
}

export function statesChart(connections: Connections): ChartSpec {
  return {
    id: 'states', title: 'Sessions', unit: 'by state', axis: 'decimal', format: average, stacked: true,
    missing: why(connections.unmeasured),
    series: connections.series.map((series: SessionSeries) => ({
      id: key(series.name), name: series.name, color: 10, token: STATE_TOKENS[series.name] ?? 'data-10', values: series.values,
      mean: series.mean ?? null,
    })),
  };
}
