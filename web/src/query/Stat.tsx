import { exact, text, type Figure } from '../format/number';
import { Missing } from '../format/Num';
import { changed, type Compared } from './comparison';
import styles from './Stat.module.css';

interface Props {
  title: string;
  value: number | null | undefined;
  before: Compared;
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
  const { title, value, before, format, unit, source, reason, alarming } = props;
  const known = value != null;
  const risen = alarming !== undefined && before.times !== null && before.times >= 1 + alarming;
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
              before.value === null
                ? before.nothing
                : `${text(format(before.value))} before${before.read}${alarming === undefined ? '' : `\nColoured from +${alarming * 100} %`}`
            }
          >
            {changed(value, before)}
          </span>
        )}
      </dd>
    </div>
  );
}
