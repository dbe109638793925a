import { Fragment, type ReactNode } from 'react';
import { Foreign } from '../format/Foreign';
import styles from './Crumbs.module.css';

/** Where a page stands: links to what is above it, and its own name. */
export function Crumbs({ above, here }: { above: ReactNode[]; here: ReactNode }) {
  return (
    <nav aria-label="Breadcrumb" className={styles.crumbs}>
      {above.map((link, index) => (
        <Fragment key={index}>
          {link}
          <span aria-hidden="true">/</span>
        </Fragment>
      ))}
      <span aria-current="page">{typeof here === 'string' ? <Foreign text={here} /> : here}</span>
    </nav>
  );
}
