import { useEffect, type ReactNode } from 'react';
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
    document.title = `${name} · pgAnalytics`;
  }, [name]);
  return (
    <main className={styles.page} data-fill={fill}>
      {above}
      <h1 className={styles.title}>{title}</h1>
      {children}
    </main>
  );
}
