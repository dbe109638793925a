/** What the page says of replication: heading, lags, and what the charts show. Pure. */
import type { Replication, Series, Slots, Standby, WalReceiver } from '../api/model';
import type { ChartSeries, ChartSpec } from '../charts/chart';
import { bytes, coarse, text } from '../format/number';
import type { Sort } from '../tables/column';

/** Ten series, each with its colour; more would not be told apart. */
const MOST_SERIES = 10;

/** The name that a reader knows: of the monitored instance, else the one it streams under. */
export function nameOf(standby: Standby): string {
  return standby.instance?.name ?? (standby.application_name || standby.client_addr || 'unnamed');
}

/**
 * Replay lag in milliseconds: the longer of what both sides say. The sender's stands still while replay is paused, and
 * the standby knows nothing of what has not reached it. Null when neither knows.
 */
export function replayLag(standby: Standby): number | null {
  const known = [standby.replay_lag_ms, standby.receiver?.replay_lag_ms].filter((lag) => lag != null);
  return known.length === 0 ? null : Math.max(...known);
}

/** Nothing is behind, in bytes or in time. */
export function isIdle(standby: Standby): boolean {
  return standby.idle === true && standby.receiver?.idle !== false;
}

/** `2 ms / 3 ms / 48 s, 210 MiB` or `0 B, idle` */
export function lagWords(standby: Standby): string {
  if (isIdle(standby)) return '0 B, idle';
  const lag = (ms: number | null | undefined) => (ms == null ? '–' : text(coarse(ms)));
  const times = [standby.write_lag_ms, standby.flush_lag_ms, replayLag(standby)].map(lag).join(' / ');
  return standby.replay_behind_bytes == null ? times : `${times}, ${text(bytes(standby.replay_behind_bytes))}`;
}

/** `48 s, 210 MiB`, `0 B, idle`, or why nobody knows. */
export function ownLagWords(receiver: WalReceiver): string {
  if (receiver.idle === true) return '0 B, idle';
  const parts = [];
  if (receiver.replay_lag_ms != null) parts.push(text(coarse(receiver.replay_lag_ms)));
  if (receiver.behind_bytes != null) parts.push(text(bytes(receiver.behind_bytes)));
  return parts.length === 0 ? 'lag not known' : parts.join(', ');
}

/** `Worst replay lag 48 s (prod-2)` */
export function heading(replication: Replication, self: string): string {
  const { standbys, receiver } = replication;
  const all = standbys.map((one) => ({ name: nameOf(one), idle: isIdle(one), lag: replayLag(one) }));
  if (receiver != null) all.push({ name: self, idle: receiver.idle === true, lag: receiver.replay_lag_ms ?? null });
  if (all.length === 0) return replication.at == null ? 'Replication' : 'No standby streams from here';
  const behind = all.filter((one) => !one.idle);
  const worst = behind.filter((one) => one.lag !== null).toSorted((a, b) => (b.lag ?? 0) - (a.lag ?? 0))[0];
  if (worst !== undefined) return `Worst replay lag ${text(coarse(worst.lag ?? 0))} (${worst.name})`;
  if (behind.length > 0) return `How far ${behind.map((one) => one.name).join(', ')} is behind is not known`;
  return all.length === 1 ? `${all[0]?.name ?? ''} is idle: all is replayed` : `${all.length} standbys, idle`;
}

/** What is to be said of a standby that receives nothing, and of one of which nobody knows how far it is. */
export function receiverNotice(receiver: WalReceiver, moment: (time: string) => string): string | null {
  const unknown = receiver.unmeasured['replay_lag_ms'];
  if (receiver.connected && unknown === undefined) return null;
  const parts = ['No WAL receiver runs here: what is replayed comes from an archive or was received before.'];
  if (unknown !== undefined) parts[0] = `How far replay is behind is not known: ${unknown.message}`;
  else if (receiver.primary != null) parts.push(`How far it is behind is by the position of ${receiver.primary.name}.`);
  if (receiver.last_replayed_at != null) {
    const age = receiver.last_replay_age_ms == null ? '' : `, ${text(coarse(receiver.last_replay_age_ms))} before`;
    parts.push(`The last replayed transaction is of ${moment(receiver.last_replayed_at)}${age}.`);
  }
  return parts.join(' ');
}

/** The larger of two series at each step; null only where both are. */
export function larger(one: Series, other: Series | null | undefined): Series {
  if (other == null) return one;
  return one.map((value, index) => {
    const second = other[index] ?? null;
    return value === null || second === null ? (value ?? second) : Math.max(value, second);
  });
}

/** More standbys than these are drawn with their replay alone. */
const WHOLE_STANDBYS = 3;

/** A name as the URL can carry it among others. */
function idOf(name: string): string {
  return name.replaceAll(',', ' ');
}

/** Names that stand twice are told apart by their process. */
function perStandby(replication: Replication, parts: { word: string; values: (one: Standby) => Series }[]): ChartSeries[] {
  const sorted = replication.standbys.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)) || (a.pid ?? 0) - (b.pid ?? 0));
  const shown = sorted.length <= WHOLE_STANDBYS ? parts : parts.slice(0, 1);
  const all = sorted.flatMap((one) => {
    const twice = sorted.filter((other) => nameOf(other) === nameOf(one)).length > 1;
    const name = twice ? `${nameOf(one)} (${one.pid ?? '–'})` : nameOf(one);
    return shown.map(({ word, values }) => ({ name: `${name} ${word}`, values: values(one) }));
  });
  return all.slice(0, MOST_SERIES).map((one, index) => ({ ...one, id: idOf(one.name), color: index + 1 }));
}

function own(self: string, values: Series, taken: number): ChartSeries {
  const name = `${self} replay`;
  return { id: idOf(name), name, color: (taken % MOST_SERIES) + 1, values };
}

/** Lag and bytes behind, of those that stream from here and of this standby itself. */
export function lagCharts(replication: Replication, self: string): ChartSpec[] {
  const lag = perStandby(replication, [
    { word: 'replay', values: (one) => larger(one.series.replay_lag_ms, one.series.own_replay_lag_ms) },
    { word: 'flush', values: (one) => one.series.flush_lag_ms },
    { word: 'write', values: (one) => one.series.write_lag_ms },
  ]);
  const behind = perStandby(replication, [
    { word: 'replay', values: (one) => one.series.replay_behind_bytes },
    { word: 'flush', values: (one) => one.series.flush_behind_bytes },
    { word: 'write', values: (one) => one.series.write_behind_bytes },
  ]);
  const mine = replication.receiver_series;
  if (mine != null) {
    lag.push(own(self, mine.replay_lag_ms, lag.length));
    behind.push(own(self, mine.behind_bytes, behind.length));
  }
  return [
    { id: 'lag', title: 'Lag', unit: 's', axis: 'decimal', format: coarse, series: lag },
    { id: 'behind', title: 'Behind', unit: 'B', axis: 'binary', format: bytes, series: behind },
  ];
}

/** What slots hold back; the first ten by name. */
export function retainedChart(slots: Slots): ChartSpec {
  const sorted = slots.data.toSorted((a, b) => a.slot_name.localeCompare(b.slot_name)).slice(0, MOST_SERIES);
  return {
    id: 'retained', title: 'Retained', unit: 'B', axis: 'binary', format: bytes,
    series: sorted.map((slot, index) => ({ id: slot.slot_name, name: slot.slot_name, color: index + 1, values: slot.series.retained_bytes })),
  };
}

/** One table's part of the URL's `sort`, which names a column of each table that is not in its own order. */
export function sortOf(all: string | undefined, columns: readonly { id: string }[], otherwise: Sort): Sort {
  for (const part of (all ?? '').split(',')) {
    const id = part.replace(/^-/, '');
    if (columns.some((column) => column.id === id)) return { id, descending: part.startsWith('-') };
  }
  return otherwise;
}

export function withSort(all: string | undefined, columns: readonly { id: string }[], sort: Sort, otherwise: Sort): string | undefined {
  const others = (all ?? '').split(',').filter((part) => part !== '' && !columns.some((column) => column.id === part.replace(/^-/, '')));
  const own = sort.id === otherwise.id && sort.descending === otherwise.descending ? [] : [(sort.descending ? '-' : '') + sort.id];
  const parts = [...others, ...own];
  return parts.length === 0 ? undefined : parts.join(',');
}
