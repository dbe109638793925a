import type { HealthState } from '../api/model';
import styles from './HealthBadge.module.css';

const HEALTH = {
  healthy: { sign: '●', word: 'Healthy' },
  warning: { sign: '▲', word: 'Warning' },
  critical: { sign: '■', word: 'Critical' },
  no_data: { sign: '○', word: 'No data' },
} as const satisfies Record<HealthState, { sign: string; word: string }>;

/** Shape, word, reason: readable without colour. */
export function HealthBadge({ state, reasons }: { state: HealthState; reasons: string[] }) {
  const { sign, word } = HEALTH[state];
  return (
    <span className={styles.badge} data-state={state} data-hint={reasons.join('\n') || 'Nothing to report.'}>
      <span aria-hidden="true">{sign}</span> {word}
    </span>
  );
}
