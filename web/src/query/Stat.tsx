import { change, exact, text, type Figure } from '../format/number';
import { Missing } from '../format/Num';
import styles from './Stat.module.css';

interface Props {
  title: string;
  value: number | null | undefined;
  previous: number | null | undefined;
  /** Whether there is an earlier period, and whether the statement ran in it. */
  earlier: 'none' | 'idle' | 'ran';
  format: (value: number) => Figure;
  unit: string;
  source: string;
  /** Why there is no value. */
  reason: string;
  /** A rise beyond this ratio is coloured; none is when absent. */
  alarming?: number;
}

const WITHOUT = { none: '', idle: 'new', ran: '' } as const;

/** One figure with its change to the equal period before. */
export function Stat(props: Props) {
  const { title, value, previous, earlier, format, unit, source, reason, alarming } = props;
  const known = value != null;
  const before = previous != null;
  const risen = known && before && alarming !== undefined && previous > 0 && value / previous >= 1 + alarming;
  return (
    <div className={styles.stat}>
      <dt>{title}</dt>
      <dd>
        <span className={styles.value}>
          {known ? (
            <span data-hint={`${exact(value)} ${unit}\n${source}`} tabIndex={0}>
              {text(format(value))}
            </span>
          ) : (
            <Missing reason={reason} focusable />
          )}
        </span>
        {known && (
          <span
            className={styles.change}
            data-risen={risen}
            data-hint={
              earlier === 'ran' && before
                ? `${text(format(previous))} before${alarming === undefined ? '' : `\nColoured from +${alarming * 100} %`}`
                : 'Nothing was measured in the equal period before.'
            }
          >
            {earlier === 'ran' && before ? text(change(value, previous)) : WITHOUT[earlier]}
          </span>
        )}
      </dd>
    </div>
  );
}
