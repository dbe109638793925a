import { Foreign } from '../format/Foreign';
import { diffLines } from './diff';
import styles from './versioned.module.css';

/** A unified diff: what a line is says its first letter, too. */
export function Diff({ text, empty }: { text: string; empty: string }) {
  const lines = diffLines(text);
  if (lines.length === 0) return <p className={styles.quiet}>{empty}</p>;
  return (
    <pre className={styles.text} aria-label="What changes">
      {lines.map((line, index) => (
        <span key={index} className={styles.line} data-kind={line.kind}>
          <Foreign text={line.text} />
          {'\n'}
        </span>
      ))}
    </pre>
  );
}

/** A configuration to read. */
export function Text({ text, label }: { text: string; label: string }) {
  if (text.trim() === '') return <p className={styles.quiet}>Nothing: everything is as the collector’s own file and the defaults say.</p>;
  return (
    <pre className={styles.text} aria-label={label}>
      <Foreign text={text} lines />
    </pre>
  );
}
