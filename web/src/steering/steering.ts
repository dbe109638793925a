/** What a collector follows of what it should, in words; labels and errors as people write and read them. */
import type { ApiError } from '../api/error';
import type { Collector, ConfigVersion, TemplateChange } from '../api/model';
import { exactMoment, near, type Zone } from '../time/zone';

/** Whether a collector does what the server says. */
export type Following = 'nothing' | 'newest' | 'not yet' | 'refused';

export function following(collector: Collector): Following {
  const { config_version: wanted, config_in_force: inForce } = collector;
  if (wanted == null) return 'nothing';
  if (inForce === wanted) return 'newest';
  return collector.config_refused === wanted ? 'refused' : 'not yet';
}

function runs(collector: Collector): string {
  return collector.config_in_force == null ? 'none from the server' : `version ${collector.config_in_force}`;
}

/** Which version a collector follows, and why not the newest. */
export function followSentence(collector: Collector, zone: Zone, now: number): string {
  const { name, config_version: wanted } = collector;
  switch (following(collector)) {
    case 'nothing':
      return `${name} has no configuration from the server`;
    case 'newest':
      return `${name} follows version ${wanted}, the newest`;
    case 'refused':
      return `${name} refused version ${wanted}${since(collector, zone, now)} and follows ${runs(collector)}`;
    case 'not yet':
      return collector.config_version == null || collector.last_seen == null
        ? `${name} has not been heard of since version ${wanted} was written`
        : `${name} has not taken version ${wanted} yet and follows ${runs(collector)}`;
  }
}

function since(collector: Collector, zone: Zone, now: number): string {
  return collector.config_error_since == null ? '' : ` at ${near(Date.parse(collector.config_error_since), zone, now)}`;
}

/** The same in a cell. */
export function followText(collector: Collector): string {
  const { config_version: wanted, config_in_force: inForce } = collector;
  if (wanted == null) return '–';
  if (inForce === wanted) return String(wanted);
  return `${inForce ?? 'none'} of ${wanted}`;
}

/** What the list of collectors tells. */
export function collectorsHeading(collectors: Collector[]): string {
  const all = `${collectors.length} ${collectors.length === 1 ? 'collector' : 'collectors'}`;
  const refusing = collectors.filter((one) => following(one) === 'refused' || one.config_error != null);
  if (refusing.length === 0) return all;
  const names = refusing.length === 1 ? (refusing[0]?.name ?? '') : String(refusing.length);
  return `${all}, ${names} ${refusing.length === 1 ? 'does' : 'do'} not follow the newest configuration`;
}

const WHY = {
  written: (by: string) => `${by} wrote it`,
  restored: (by: string, from: number | null) => `${by} restored version ${from ?? '?'}`,
  template: (by: string) => `${by} changed a template`,
  labels: (by: string) => `${by} changed the labels`,
  registered: () => 'the collector registered',
  custom_set: (by: string) => `${by} changed a custom set`,
} as const;

/** `Version 3, 21 Nov 10:32:00: ada restored version 1`. */
export function versionSentence(version: ConfigVersion, zone: Zone, now: number): string {
  const made = exactMoment(Date.parse(version.made_at), zone, now);
  return `Version ${version.version}, ${made}: ${WHY[version.why](version.made_by ?? 'the server', version.restored_from ?? null)}`;
}

export type Labels = Record<string, string>;

export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}

/** `stage=prod, team=shop` as labels, or what is wrong with it. */
export function parseLabels(text: string): { labels: Labels } | { problem: string } {
  const labels = new Map<string, string>();
  for (const part of text.split(',').map((one) => one.trim()).filter((one) => one !== '')) {
    const at = part.indexOf('=');
    const name = part.slice(0, at).trim();
    if (at < 1 || name === '') return { problem: `Labels are written name=value, with commas between them; “${part}” is none.` };
    if (labels.has(name)) return { problem: `The label ${name} stands there twice.` };
    labels.set(name, part.slice(at + 1).trim());
  }
  return { labels: Object.fromEntries(labels) };
}

/** What was refused, and in which line. */
export interface Refusal {
  line: number | null;
  text: string;
}

export function refusal(error: unknown): Refusal {
  const known = error as Partial<ApiError> | null;
  if (known?.status === undefined || known.status === 0) return { line: null, text: 'The server does not answer; nothing was changed.' };
  if (known.status === 403) return { line: null, text: 'Your role may not change this.' };
  const details = known.details ?? [];
  const line = /^line (\d+)$/.exec(details[0]?.path ?? '')?.[1];
  if (line !== undefined) return { line: Number(line), text: `Line ${line}: ${details[0]?.reason ?? ''}` };
  const each = details.map((detail) => (detail.path === '.' ? detail.reason : `${detail.path}: ${detail.reason}`));
  return { line: null, text: each.length === 0 ? (known.message ?? '') : each.join('\n') };
}

/** Where a line begins and ends in a text. */
export function lineSpan(text: string, line: number): { start: number; end: number } {
  const lines = text.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  return { start: Math.min(start, text.length), end: Math.min(start + (lines[line - 1]?.length ?? 0), text.length) };
}

export type DiffKind = 'place' | 'added' | 'removed' | 'same';

/** The lines of a unified diff. */
export function diffLines(diff: string): { kind: DiffKind; text: string }[] {
  const lines = diff.endsWith('\n') ? diff.slice(0, -1) : diff;
  if (lines === '') return [];
  const kinds: Record<string, DiffKind> = { '@': 'place', '+': 'added', '-': 'removed' };
  return lines.split('\n').map((text) => ({ kind: kinds[text.charAt(0)] ?? 'same', text }));
}

/** What a change of a template comes to. */
export function templateSentence(change: TemplateChange): string {
  const { collectors, collectors_changed: changed, collectors_refusing: refusing } = change;
  if (collectors === 0) return 'No collector has these labels.';
  const all = `It is for ${collectors} ${collectors === 1 ? 'collector' : 'collectors'}`;
  const what = changed === 0 ? 'nothing changes for any of them' : `${changed} of them ${changed === 1 ? 'gets' : 'get'} something else`;
  return refusing === 0 ? `${all}; ${what}.` : `${all}; ${refusing} would refuse what they get, so it cannot be saved.`;
}
