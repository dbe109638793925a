import { useEffect, useId, useRef, useState, type SyntheticEvent } from 'react';
import { change } from '../api/client';
import { ApiError } from '../api/error';
import type { Retention } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { changeSentence, daysOf, tierName, type KeptLine } from './store';
import styles from './StorePage.module.css';

interface Props {
  line: KeptLine;
  /** What is in force. */
  before: Retention;
  close: () => void;
  saved: () => void;
}

/** A change that was looked at: its days (null is the default), and what it would do. */
interface Shown {
  days: number | null;
  sentence: string;
}

/** Changes the days of one tier of a set: what would go is shown first, and only what was shown can be saved. */
export function RetentionEditor({ line, before, close, saved }: Props) {
  const { set, kept } = line;
  const [typed, setTyped] = useState(String(kept.days));
  const [shown, setShown] = useState<Shown | null>(null);
  const [done, setDone] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => input.current?.focus(), []);

  async function ask(days: number | null, dry: boolean) {
    setBusy(true);
    setProblem('');
    setDone('');
    try {
      const answer = (await change('PUT', `/retention${dry ? '?dry_run=true' : ''}`, { json: { changes: [{ set, tier: kept.tier, days }] } })) as Retention;
      if (dry) {
        setShown({ days, sentence: changeSentence(before, answer, set, kept.tier) });
      } else {
        setShown(null);
        setDone('Saved. What is past its days goes with the next run of the job retention.');
        saved();
      }
    } catch (error) {
      setShown(null);
      setProblem(error instanceof ApiError ? refusal(error) : 'It was not changed.');
    } finally {
      setBusy(false);
    }
  }

  function look(event: SyntheticEvent) {
    event.preventDefault();
    const days = daysOf(typed);
    if (days === null) {
      setShown(null);
      setProblem('Days are a whole number.');
    } else {
      void ask(days, true);
    }
  }

  return (
    <form
      className={styles.editor}
      aria-label={`Days of ${set}, ${tierName(kept.tier)}`}
      onSubmit={look}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close();
      }}
    >
      <label htmlFor={id}>
        Days of <code>{set}</code>, {tierName(kept.tier)}
      </label>
      <input
        id={id}
        ref={input}
        inputMode="numeric"
        value={typed}
        aria-describedby={`${id}-told`}
        onChange={(event) => {
          setTyped(event.target.value);
          setShown(null);
        }}
      />
      <Button onClick={() => input.current?.form?.requestSubmit()} disabled={busy}>
        Show what goes
      </Button>
      <Button
        disabled={busy}
        hint={`As many days as where nothing was said: ${kept.default_days}`}
        onClick={() => {
          setTyped(String(kept.default_days));
          void ask(null, true);
        }}
      >
        Default
      </Button>
      <Button disabled={busy || shown === null} onClick={() => shown !== null && void ask(shown.days, false)}>
        Save
      </Button>
      <Button quiet onClick={close}>
        Close
      </Button>
      <div id={`${id}-told`} className={styles.told} role="status">
        {problem !== '' && <Notice kind="warning"><Foreign text={problem} /></Notice>}
        {shown !== null && <Notice kind="note">{`With ${shown.days ?? `the default, ${kept.default_days},`} days: ${shown.sentence}`}</Notice>}
        {done !== '' && <Notice kind="note">{done}</Notice>}
      </div>
    </form>
  );
}

/** Why the server did not take it, in its own words. */
function refusal(error: ApiError): string {
  if (error.status === 0) return 'The server does not answer; nothing was changed.';
  if (error.status === 403) return 'Your role may not change this.';
  const details = error.details.map((detail) => `Days ${detail.reason}.`).join(' ');
  return details === '' ? `${error.message} (${error.status})` : details;
}
