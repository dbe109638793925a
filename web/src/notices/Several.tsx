import styles from './Several.module.css';

interface Props {
  text: string;
  details: string[];
}

/** A sentence, and behind it those that it sums up. */
export function Several({ text, details }: Props) {
  if (details.length === 0) return text;
  return (
    <details className={styles.many}>
      <summary>{text}</summary>
      <ul>
        {details.map((detail, index) => (
          <li key={index}>{detail}</li>
        ))}
      </ul>
    </details>
  );
}
