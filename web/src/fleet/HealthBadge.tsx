import type { HealthState, Instance } from '../api/model';
import { standing } from '../instance/watched';
import { useTime } from '../time/useTime';
import { inZone } from '../time/zone';
import styles from './HealthBadge.module.css';

const HEALTH = {
  healthy: { sign: '●', word: 'Healthy' },
  warning: { sign: '▲', word: 'Warning' },
  critical: { sign: '■', word: 'Critical' },
  no_data: { sign: '○', word: 'No data' },
} as const satisfies Record<HealthState, { sign: string; word: string }>;

/** Shape, word, reason: readable without colour. Of an instance that is not read, since when. */
export function HealthBadge({ instance }: { instance: Pick<Instance, 'state' | 'reasons' | 'watched'> }) {
  const { zone } = useTime();
  const now = Date.now();
  const { sign, word } = HEALTH[instance.state];
  const reasons = instance.reasons.map((reason) => inZone(reason, zone, now));
  return (
    <span className={styles.badge} data-state={instance.state} data-hint={reasons.join('\n') || 'Nothing to report.'}>
      <span aria-hidden="true">{sign}</span> {standing(instance.watched, zone, now) ?? word}
    </span>
  );
}
