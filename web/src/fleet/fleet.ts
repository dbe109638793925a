/** What the fleet page says above its table. Pure. */
import type { Instance } from '../api/model';
import { isRead } from '../instance/watched';

/** How much an instance needs somebody. */
export const URGENCY: Record<Instance['state'], number> = { critical: 3, warning: 2, no_data: 1, healthy: 0 };

/** `4 instances, 1 critical` */
export function fleetHeading(instances: Instance[]): string {
  const parts = [`${instances.length} ${instances.length === 1 ? 'instance' : 'instances'}`];
  const of = (state: Instance['state']) => instances.filter((one) => one.state === state).length;
  if (of('critical') > 0) parts.push(`${of('critical')} critical`);
  if (of('warning') > 0) parts.push(`${of('warning')} warning`);
  if (of('no_data') > 0) parts.push(`${of('no_data')} without data`);
  if (parts.length === 1 && instances.length > 0) parts.push(instances.length === 1 ? 'healthy' : 'all healthy');
  return parts.join(', ');
}

/** Instances that need somebody, the worst first, each with its gravest reasons; more are in the table. */
const TOLD = 5;

export function worstFirst(instances: Instance[]): Instance[] {
  return instances
    .filter((one) => one.state !== 'healthy' && one.reasons.length > 0)
    .toSorted((a, b) => URGENCY[b.state] - URGENCY[a.state] || a.name.localeCompare(b.name))
    .slice(0, TOLD);
}

/** What cannot be read for one reason, on however many instances. */
export interface Unread {
  message: string;
  fix: string | null;
  /** `relation_size`, `pg_stat_replication.replay_lag`; each once. */
  things: string[];
  instances: Instance[];
}

/** One for each reason and what mends it, those of most instances first; of an instance that is not read nobody knows. */
export function unread(instances: Instance[]): Unread[] {
  const kinds = new Map<string, Unread>();
  for (const instance of instances.filter(isRead)) {
    for (const { message, fix = null, set, column } of instance.not_readable) {
      const key = JSON.stringify([message, fix]);
      const kind = kinds.get(key) ?? { message, fix, things: [], instances: [] };
      kinds.set(key, kind);
      const thing = column == null ? set : `${set}.${column}`;
      if (!kind.things.includes(thing)) kind.things.push(thing);
      if (kind.instances.at(-1) !== instance) kind.instances.push(instance);
    }
  }
  return [...kinds.values()].toSorted((a, b) => b.instances.length - a.instances.length);
}

/** Named one by one; of more, so many are counted. */
const NAMED = 3;

/** The first few of many, and how many more there are: one more is named rather than counted. */
export function firstFew<Thing>(things: Thing[]): { first: Thing[]; rest: Thing[] } {
  const named = things.length <= NAMED + 1 ? things.length : NAMED;
  return { first: things.slice(0, named), rest: things.slice(named) };
}
