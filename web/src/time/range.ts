/** The time range as the URL has it: the last while, or two instants. Pure. */
import type { Search } from '../shell/search';
import { span, type Zone } from './zone';

export interface Instants {
  start: number;
  end: number;
  /** It ends now, whatever the clocks of browser and server say. */
  untilNow?: boolean;
}

export type Range =
  | { kind: 'last'; text: string; ms: number }
  | { kind: 'absolute'; start: number; end: number; last: string };

export const PRESETS = ['5m', '15m', '1h', '6h', '24h', '7d', '30d'];
export const DEFAULT_PRESET = '1h';
const UNITS: Record<string, { ms: number; name: string }> = {
  m: { ms: 60_000, name: 'min' },
  h: { ms: 3_600_000, name: 'h' },
  d: { ms: 86_400_000, name: 'd' },
};
/** Below this a chart has nothing left to show. */
const SHORTEST_MS = 10_000;
const LONGEST_MS = 366 * 86_400_000;

function preset(text: string): { ms: number; label: string } | null {
  const match = /^(\d{1,4})([mhd])$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  const ms = Number(match?.[1] ?? 0) * (unit?.ms ?? 0);
  if (unit === undefined || ms < SHORTEST_MS || ms > LONGEST_MS) return null;
  return { ms, label: `${Number(match?.[1])} ${unit.name}` };
}

/** `1 h` of `1h`. */
export function presetLabel(text: string): string {
  return preset(text)?.label ?? text;
}

export function rangeOf(search: Search): Range {
  const known = preset(search.range ?? '') === null ? DEFAULT_PRESET : (search.range ?? DEFAULT_PRESET);
  const start = Date.parse(search.start ?? '');
  const end = Date.parse(search.end ?? '');
  if (Number.isFinite(start) && Number.isFinite(end) && end > start) {
    return { kind: 'absolute', start, end, last: known };
  }
  return { kind: 'last', text: known, ms: preset(known)?.ms ?? 3_600_000 };
}

export function resolve(range: Range, now: number): Instants {
  if (range.kind === 'absolute') return { start: range.start, end: range.end };
  return { start: now - range.ms, end: now, untilNow: true };
}

/** What ended so recently is now: as the server has it. */
const LIVE_MS = 30_000;

/** The moment that a range ends with; null where that is now. */
export function momentOf(range: Range, now: number): number | null {
  return range.kind === 'last' || now - range.end <= LIVE_MS ? null : range.end;
}

/** Whether nothing of a range can have been read yet. */
export function isAhead(range: Range, now: number): boolean {
  return range.kind === 'absolute' && range.start >= now;
}

type RangeSearch = Pick<Search, 'range' | 'start' | 'end'>;

/** The search of an absolute range, on whole seconds; the preset stays, for "Resume". */
export function absolute(instants: Instants, last: string): RangeSearch {
  const start = Math.floor(instants.start / 1000) * 1000;
  const end = Math.max(Math.ceil(instants.end / 1000) * 1000, start + SHORTEST_MS);
  const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
  return { range: last === DEFAULT_PRESET ? undefined : last, start: iso(start), end: iso(end) };
}

export function lastWhile(text: string): RangeSearch {
  return { range: text === DEFAULT_PRESET ? undefined : text, start: undefined, end: undefined };
}

function presetOf(range: Range): string {
  return range.kind === 'last' ? range.text : range.last;
}

/** One range back (-1) or forward (1); never past now. */
export function shifted(range: Range, direction: -1 | 1, now: number): RangeSearch {
  const { start, end } = resolve(range, now);
  const move = Math.min(direction * (end - start), Math.max(0, now - end));
  return absolute({ start: start + move, end: end + move }, presetOf(range));
}

/** Twice as long around the same middle; never past now. */
export function widened(range: Range, now: number): RangeSearch {
  const { start, end } = resolve(range, now);
  const length = Math.min((end - start) * 2, LONGEST_MS);
  const right = Math.min(now, (start + end) / 2 + length / 2);
  return absolute({ start: right - length, end: right }, presetOf(range));
}

export function zoomed(range: Range, instants: Instants): RangeSearch {
  return absolute(instants, presetOf(range));
}

export function rangeLabel(range: Range, zone: Zone, now: number): string {
  if (range.kind === 'last') return presetLabel(range.text);
  return span(range.start, range.end, zone, now, ' – ');
}

/** `1 h`, `17 min`: how long a range is, in words short enough for a sentence. */
export function lengthLabel(ms: number): string {
  for (const unit of ['d', 'h', 'm']) {
    const { ms: size, name } = UNITS[unit] ?? { ms: 1, name: '' };
    if (ms >= size && (ms % size === 0 || ms / size >= 10)) return `${Math.round(ms / size)} ${name}`;
  }
  return ms >= 60_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1000)} s`;
}
