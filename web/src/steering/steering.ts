/** What a collector follows of what it should, in words; labels as people write and read them. */
import type { Collector, ConfigVersion } from '../api/model';
import { near, type Zone } from '../time/zone';

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

/** What somebody did: `ada restored version 1`. */
export function whySentence(version: Pick<ConfigVersion, 'why' | 'restored_from'>, by: string): string {
  return WHY[version.why](by, version.restored_from ?? null);
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
