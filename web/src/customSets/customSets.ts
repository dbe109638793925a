/** Custom sets in words: how one goes at each collector. */
import type { CustomSetInstance, CustomSetState } from '../api/model';

/** `x_jobs at 3 collectors: 1 waits for approval, 2 work`. */
export function setHeading(name: string, states: CustomSetState[]): string {
  if (states.length === 0) return `${name} is for no collector`;
  const counts = new Map<string, number>();
  for (const state of states) counts.set(goes(state), (counts.get(goes(state)) ?? 0) + 1);
  const words = [...counts].map(([word, count]) => (states.length === 1 ? word : `${count} × ${word}`));
  return `${name} at ${states.length} ${states.length === 1 ? 'collector' : 'collectors'}: ${words.join(', ')}`;
}

const WORST: [word: string, is: (one: CustomSetInstance) => boolean][] = [
  ['fails', (one) => one.state === 'error'],
  ['waits for approval there', (one) => one.code === 'approval' && one.fix !== ''],
  ['not allowed there', (one) => one.code === 'approval'],
  ['missing', (one) => one.state === 'missing'],
  ['degraded', (one) => one.state === 'degraded'],
];

/** How it goes at a collector, in one word or two: the worst of its instances. */
export function goes(state: CustomSetState): string {
  if (state.version_wanted == null) return 'being taken away';
  if (state.version_in_force == null) return state.config_error == null ? 'not taken yet' : 'refused';
  const worst = WORST.find(([, is]) => state.instances.some(is));
  if (worst !== undefined) return worst[0];
  return state.instances.length === 0 ? 'not read yet' : 'works';
}

/** `2`, or `1 of 2` where another version is wanted. */
export function versionText({ version_in_force: inForce, version_wanted: wanted }: CustomSetState): string {
  if (inForce === wanted) return String(wanted);
  return `${inForce ?? 'none'} of ${wanted ?? 'none'}`;
}

/** What somebody types as a version of PostgreSQL. */
export const isVersion = (text: string): boolean => /^\d{1,3}(\.\d{1,3})?$/.test(text);

/** What a new set begins with. */
export const BEGINNING = {
  set: `help = "Jobs that wait."
scope = "instance"
group = "x_app"
interval = 60

[[columns]]
name = "queue"
type = "text"
kind = "label"
help = "The queue."

[[columns]]
name = "waiting"
type = "int8"
kind = "gauge"
unit = "count"
help = "How many wait."
`,
  sql: `select
    j.queue::text as queue,
    count(*)::bigint as waiting
from app.jobs as j
group by j.queue
`,
};
