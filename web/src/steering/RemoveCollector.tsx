import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { change } from '../api/client';
import type { Collector } from '../api/model';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { keepTime, type Search } from '../shell/search';
import { refusal } from '../versioned/refusal';
import styles from '../versioned/versioned.module.css';

/** Ends a collector: its token opens nothing any more. */
export function RemoveCollector({ collector }: { collector: Collector }) {
  const navigate = useNavigate();
  const [asked, setAsked] = useState(false);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);

  async function remove() {
    setBusy(true);
    try {
      await change('DELETE', `/collectors/${collector.id}`, {});
      void navigate({ to: '/collectors', search: (old: Search) => keepTime(old) });
    } catch (error) {
      setProblem(refusal(error).text);
      setBusy(false);
    }
  }

  return (
    <section className={styles.section} aria-label="Remove">
      <h2>Remove</h2>
      <div className={styles.row}>
        <span>It can deliver nothing any more; what it delivered stays.</span>
        {asked ? (
          <>
            <Button onClick={() => void remove()} disabled={busy}>
              Yes, remove it
            </Button>
            <Button onClick={() => setAsked(false)} disabled={busy}>
              No
            </Button>
          </>
        ) : (
          <Button onClick={() => setAsked(true)}>Remove this collector</Button>
        )}
      </div>
      <div className={styles.told} role="status">
        {problem !== '' && <Notice kind="warning">{problem}</Notice>}
      </div>
    </section>
  );
}
