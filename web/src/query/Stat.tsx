import { change, exact, text, type Figure } from '../format/number';
import { Missing } from '../format/Num';
import styles from './Stat.module.css';

interface Props {
  title: string;
  value: number | null | undefined;
  previous: number | null | undefined;
  /** There is an earlier period to compare with. */
  comparable: boolean;
  format: (value: number) => Figure;
  unit: string;
  source: string;
  /** Why there is no value. */
  reason: string;
  /** A rise beyond this ratio is coloured; none is when absent. */
  alarming?: number;
}

/** One figure with its change to the equal period before. */
export function Stat(props: Props) {
  const { title, value, previous, comparable, format, unit, source, reason, alarming } = props;
  const known = value !== null && value !== undefined;
  const before = previous !== null && previous !== undefined;
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
              before
                ? `${text(format(previous))} before${alarming === undefined ? '' : `\nColoured from +${alarming * 100} %`}`
                : 'Nothing was measured in the equal period before.'
            }
          >
            {before ? text(change(value, previous)) : comparable ? 'new' : 'no earlier data'}
          </span>
        )}
      </dd>
    </div>
  );
}
