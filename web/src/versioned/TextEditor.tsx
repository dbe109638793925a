import styles from './versioned.module.css';

interface Props {
  id: string;
  value: string;
  onChange: (value: string) => void;
  /** The line that was refused. */
  badLine: number | null;
  describedBy: string;
}

const LINES_LEAST = 8;

/** A text with line numbers. It is as high as its text, so that both scroll together. */
export function TextEditor({ id, value, onChange, badLine, describedBy }: Props) {
  const lines = Math.max(value.split('\n').length, LINES_LEAST);
  const numbers = Array.from({ length: lines }, (_, index) => index + 1).join('\n');
  return (
    <div className={styles.editor}>
      <div className={styles.numbers} aria-hidden="true">
        {badLine !== null && badLine <= lines && <span className={styles.bad} style={{ top: `calc(var(--space-8) + ${badLine - 1} * 18px)` }} />}
        <pre>{numbers}</pre>
      </div>
      <textarea
        id={id}
        rows={lines}
        wrap="off"
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        value={value}
        aria-invalid={badLine !== null}
        aria-describedby={describedBy}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
