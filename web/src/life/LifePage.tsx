import { useParams } from '@tanstack/react-router';
import { useId, useState } from 'react';
import { change } from '../api/client';
import type { InstanceDetail, InstanceLife } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { InstanceFrame, instancePath } from '../instance/InstanceFrame';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { useSession } from '../session/session';
import { Button } from '../shell/Button';
import { refusal } from '../versioned/refusal';
import styles from '../versioned/versioned.module.css';
import { useTime } from '../time/useTime';
import { changeSentence, lifeHeading, lookSentence, sourceSentence } from './life';

interface Reads {
  instance: InstanceDetail;
  life: InstanceLife;
}

const REFRESH_S = 30;

/** Under which names and by whom an instance was delivered, and what administrators did with it. */
export function LifePage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/life' });
  const { zone } = useTime();
  const session = useSession();
  const page = useReads<Reads>(
    ['life', instanceId],
    (range) => ({ instance: instancePath(instanceId, range), life: `/instances/${instanceId}/life` }),
    () => REFRESH_S,
  );
  const read = page.reads?.life;
  const life = read?.data ?? null;
  const now = Date.now();
  return (
    <InstanceFrame instanceId={instanceId} instance={page.reads?.instance} error={page.error} retry={page.retry} tab="Life" title={life === null ? 'Life' : lifeHeading(life, zone, now)}>
      {read?.error != null && <ReadProblem what="the life of the instance" error={read.error} shownAt={read.at} retry={page.retry} />}
      {life !== null && (
        <>
          {session.state === 'in' && session.user.role === 'admin' && <Actions key={life.id} life={life} saved={page.retry} />}
          <section className={styles.section} aria-label="Delivered as">
            <h2>Delivered as</h2>
            <ul>
              {life.delivered_as.map((one) => (
                <li key={`${one.collector_id} ${one.name} ${one.since}`}>
                  <Foreign text={sourceSentence(one, zone, now)} />
                </li>
              ))}
            </ul>
          </section>
          <section className={styles.section} aria-label="Changes">
            <h2>Changes</h2>
            {life.changes.length === 0 && <p>Nothing was changed.</p>}
            <ul>
              {life.changes.map((one) => (
                <li key={`${one.at} ${one.change}`}>
                  <Foreign text={changeSentence(one, zone, now)} lines />
                </li>
              ))}
            </ul>
          </section>
        </>
      )}
    </InstanceFrame>
  );
}

/** What an administrator may do. Each asks once more before it is done. */
function Actions({ life, saved }: { life: InstanceLife; saved: () => void }) {
  const { zone } = useTime();
  const [name, setName] = useState(life.name);
  const [why, setWhy] = useState('');
  const [asked, setAsked] = useState<{ question: string; method: 'PUT' | 'POST'; path: string; body: object } | null>(null);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();
  const base = `/instances/${life.id}`;

  async function send() {
    if (asked === null) return;
    setBusy(true);
    setProblem('');
    try {
      await change(asked.method, asked.path, { json: { ...asked.body, why: why.trim() === '' ? null : why.trim() } });
      setAsked(null);
      setWhy('');
      saved();
    } catch (error) {
      setProblem(refusal(error).text);
    } finally {
      setBusy(false);
    }
  }

  function ask(question: string, method: 'PUT' | 'POST', path: string, body: object) {
    setProblem('');
    setAsked({ question, method, path, body });
  }

  return (
    <section className={styles.section} aria-label="What to do with it">
      {life.looks_like.map((other) => (
        <Notice key={other.id} kind="warning">
          <Foreign text={lookSentence(other, zone, Date.now())} />{' '}
          <Button
            disabled={busy}
            onClick={() => ask(`Shall instance ${other.id} go on with what is delivered here? This one is retired then, and keeps what it has.`, 'POST', `/instances/${other.id}/continue`, { from: life.id })}
          >
            Let it go on
          </Button>
        </Notice>
      ))}
      <div className={styles.row}>
        <label htmlFor={id}>Name</label>
        <input id={id} value={name} maxLength={255} onChange={(event) => setName(event.target.value)} />
        <Button disabled={busy || name === life.name} onClick={() => ask(`Shall it be called ${name}?`, 'PUT', `${base}/name`, { name })}>
          Rename
        </Button>
        {life.named_by != null && (
          <Button disabled={busy} onClick={() => ask('Shall it have the name of its collector’s configuration again?', 'PUT', `${base}/name`, { name: null })}>
            As configured
          </Button>
        )}
        {life.retired == null ? (
          <Button disabled={busy} onClick={() => ask('Shall it leave the fleet? Its history stays, and it is back with its next reading.', 'POST', `${base}/retire`, {})}>
            Retire
          </Button>
        ) : (
          <Button disabled={busy} onClick={() => ask('Shall it be in the fleet again?', 'POST', `${base}/return`, {})}>
            Put back
          </Button>
        )}
      </div>
      <div className={styles.told} role="status">
        {asked !== null && (
          <Notice kind="warning">
            <Foreign text={asked.question} />
            <div className={styles.row}>
              <input aria-label="Why, for those who look later" placeholder="Why, for those who look later" value={why} maxLength={1000} onChange={(event) => setWhy(event.target.value)} />
              <Button disabled={busy} onClick={() => void send()}>
                Yes
              </Button>
              <Button disabled={busy} onClick={() => setAsked(null)}>
                No
              </Button>
            </div>
          </Notice>
        )}
        {problem !== '' && <Notice kind="warning">{problem}</Notice>}
      </div>
    </section>
  );
}
