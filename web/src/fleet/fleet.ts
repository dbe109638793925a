/** What the fleet page says above its table. Pure. */
import type { Instance } from '../api/model';

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

/** Instances that need somebody, the worst first, each with its gravest reason; more are in the table. */
const TOLD = 5;

export function worstFirst(instances: Instance[]): Instance[] {
  return instances
    .filter((one) => one.state !== 'healthy' && one.reasons.length > 0)
    .toSorted((a, b) => URGENCY[b.state] - URGENCY[a.state] || a.name.localeCompare(b.name))
    .slice(0, TOLD);
}
