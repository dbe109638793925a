import { useSentence } from '../time/useSentence';
import { Foreign } from './Foreign';
import { text, type Figure } from './number';
import styles from './Num.module.css';

interface Props {
  figure: Figure;
  /** Exact value, unit, source and range. */
  hint?: string;
  /** Leaves out the slot that lines units up in a column. */
  loose?: boolean;
}

/** A measured number: value right-aligned, unit in a slot of fixed width. */
export function Num({ figure, hint, loose = false }: Props) {
  if (loose) {
    return (
      <span className={styles.loose} data-hint={hint}>
        {text(figure)}
      </span>
    );
  }
  return (
    <span className={styles.num} data-hint={hint}>
      {figure.value}
      <span className={styles.unit}>{figure.unit === '' ? '' : `\u00a0${figure.unit}`}</span>
    </span>
  );
}

interface MissingProps {
  /** Why there is no number, as a sentence. */
  reason: string;
  /** Reachable with Tab; tables have their own way to reach a cell. */
  focusable?: boolean;
}

/** Not measured: a dash that says why, never a zero. */
export function Missing({ reason, focusable = false }: MissingProps) {
  const why = useSentence()(reason);
  return (
    <span className={styles.missing} data-hint={why} tabIndex={focusable ? 0 : undefined}>
      <span aria-hidden="true">–</span>
      <span className="visually-hidden">not measured: <Foreign text={why} lines /></span>
    </span>
  );
}
