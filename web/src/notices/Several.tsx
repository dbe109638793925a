import { Foreign } from '../format/Foreign';
import styles from './Several.module.css';

interface Props {
  text: string;
  details: string[];
}

/** A sentence, and behind it those that it sums up. */
export function Several({ text, details }: Props) {
  if (details.length === 0) return <Foreign text={text} lines />;
  return (
    <details className={styles.many}>
      <summary><Foreign text={text} lines /></summary>
      <ul>
        {details.map((detail, index) => (
          <li key={index}><Foreign text={detail} lines /></li>
        ))}
      </ul>
    </details>
  );
}
