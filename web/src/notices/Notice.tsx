import type { ReactNode } from 'react';
import { Foreign } from '../format/Foreign';
import { Copy } from './Copy';
import { useSentence } from '../time/useSentence';
import styles from './Notice.module.css';

interface Props {
  kind: 'note' | 'warning' | 'critical';
  /** Read out when it appears. */
  live?: boolean;
  children: ReactNode;
}

const SIGN = { note: '○', warning: '▲', critical: '■' } as const;

export function Notice({ kind, live = false, children }: Props) {
  return (
    <div className={styles.notice} data-kind={kind} role={live ? 'status' : undefined}>
      <span className={styles.sign} aria-hidden="true">
        {SIGN[kind]}
      </span>
      <div className={styles.text}>{typeof children === 'string' ? <Foreign text={children} lines /> : children}</div>
    </div>
  );
}

interface CapabilityProps {
  message: string;
  fix?: string | null | undefined;
  /** What and whom, where the page does not say so. */
  concerns?: ReactNode;
}

/** What is not measured, why, and the SQL that mends it. */
export function CapabilityNotice({ message, fix, concerns }: CapabilityProps) {
  const sentence = useSentence();
  return (
    <Notice kind="note">
      {concerns}
      {concerns !== undefined && ': '}
      <Foreign text={sentence(message)} lines />{' '}
      {typeof fix === 'string' && fix !== '' && (
        <>
          <code className={styles.fix}><Foreign text={fix} lines /></code> <Copy text={fix} what="SQL" />
        </>
      )}
    </Notice>
  );
}
