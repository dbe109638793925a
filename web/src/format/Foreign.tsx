import { parts } from './visible';
import styles from './Foreign.module.css';

interface Props {
  text: string;
  /** It has lines, whose ends are no part of a name. */
  lines?: boolean;
}

/** A text that comes from elsewhere, or has such a name in it: nothing in it acts on what stands around it. */
export function Foreign({ text, lines = false }: Props) {
  const all = parts(text, lines);
  if (all.every((part) => part.kind === 'plain')) return text;
  return all.map((part, index) => {
    if (part.kind === 'plain') return part.text;
    if (part.kind === 'leftward') return <bdi key={index}>{part.text}</bdi>;
    return (
      <span key={index} className={styles.unseen}>
        {part.text}
      </span>
    );
  });
}
