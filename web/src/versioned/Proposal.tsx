import { useId, useState, type ReactNode } from 'react';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import type { Draft } from './draft';
import { refusal, told, type Refusal } from './refusal';
import { RefusalNotice } from './RefusalNotice';
import styles from './versioned.module.css';

interface Change {
  version?: number | null;
  changed: boolean;
}

interface Means<C> {
  /** What is proposed. When it changes, what was looked at is not what would be made any more. */
  of: unknown;
  /** Asks what would come of it, or makes it; a sentence where it is not even worth asking. */
  send: (check: string) => Promise<unknown> | string;
  made: (change: C) => void;
}

export interface Proposed<C> {
  /** What would come of it, once it was looked at. */
  looked: C | null;
  refused: Refusal | null;
  done: C | null;
  busy: boolean;
  run: (dry: boolean) => Promise<void>;
  /** The id of where it is told. */
  id: string;
}

/** A change that is looked at before it is made. */
export function useProposal<C extends Change>({ of, send, made }: Means<C>): Proposed<C> {
  const id = useId();
  const key = JSON.stringify(of);
  const [outcome, setOutcome] = useState<{ key: string; looked?: C; refused?: Refusal; done?: C } | null>(null);
  const [busy, setBusy] = useState(false);

  async function run(dry: boolean) {
    const sent = send(dry ? '?check=true' : '');
    setOutcome(typeof sent === 'string' ? { key, refused: told(sent) } : null);
    if (typeof sent === 'string') return;
    setBusy(true);
    try {
      const change = (await sent) as C;
      setOutcome(dry ? { key, looked: change } : { key, done: change });
      if (!dry) made(change);
    } catch (error) {
      setOutcome({ key, refused: refusal(error) });
    } finally {
      setBusy(false);
    }
  }

  const shown = outcome?.key === key ? outcome : null;
  return { looked: shown?.looked ?? null, refused: shown?.refused ?? null, done: shown?.done ?? null, busy, run, id };
}

interface Props<C> {
  proposed: Proposed<C>;
  look: string;
  make: string;
  /** What is said once it is made; which version that is, where nothing is given. */
  done?: string;
  /** Whether what was looked at can be made. */
  may: (change: C) => boolean;
  /** The text areas in which lines are refused, by their ids. */
  field?: (file: string | null) => string;
  /** Nothing is left to be made. */
  over?: boolean;
  /** What would come of it. */
  shows: (change: C) => ReactNode;
  children?: ReactNode;
}

export function Proposal<C extends Change>({ proposed, look, make, done, may, field, over = false, shows, children }: Props<C>) {
  const { looked, refused, busy, run } = proposed;
  return (
    <>
      {!over && (
        <div className={styles.row}>
          <Button onClick={() => void run(true)} disabled={busy}>
            {look}
          </Button>
          <Button onClick={() => void run(false)} disabled={busy || looked === null || !may(looked)}>
            {make}
          </Button>
          {children}
        </div>
      )}
      <div id={proposed.id} className={styles.told} role="status">
        {refused !== null && <RefusalNotice refusal={refused} field={field} />}
        {proposed.done !== null && <Notice kind="note">{done ?? doneSentence(proposed.done)}</Notice>}
        {looked !== null && shows(looked)}
      </div>
    </>
  );
}

function doneSentence(change: Change): string {
  return change.changed ? `Saved as version ${change.version ?? '?'}.` : 'It is what was there already.';
}

/** Another one wrote while this one was typing. */
export function Meanwhile<Typed>({ draft }: { draft: Draft<Typed> }) {
  if (draft.newer === null) return null;
  return (
    <div role="status">
      <Notice kind="warning">
        Version {draft.newer} was written meanwhile. <Button quiet onClick={draft.load}>Load it and drop what you typed</Button>
      </Notice>
    </div>
  );
}
