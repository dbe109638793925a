import { useEffect, type ReactNode } from 'react';
import { Foreign } from '../format/Foreign';
import { visible } from '../format/visible';
import styles from './PageFrame.module.css';

interface Props {
  /** Answers the page's question. */
  title: ReactNode;
  /** For the browser's tab. */
  name: string;
  above?: ReactNode;
  /** Fits the window, so that a long table scrolls in its own box. */
  fill?: boolean;
  children: ReactNode;
}

export function PageFrame({ title, name, above, fill = false, children }: Props) {
  useEffect(() => {
    document.title = visible(`${name} · pgAnalytics`);
  }, [name]);
  return (
    <main className={styles.page} data-fill={fill}>
      {above}
      <h1 className={styles.title}>{typeof title === 'string' ? <Foreign text={title} /> : title}</h1>
      {children}
    </main>
  );
}
