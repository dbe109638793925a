import { useId, useState } from 'react';
import { change } from '../api/client';
import type { Collector, ConfigChange } from '../api/model';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { Diff } from './Diff';
import { labelsText, parseLabels, refusal } from './steering';
import styles from './steering.module.css';

/** Labels of a collector: templates are chosen by them, so what it gets is shown before they are saved. */
export function LabelsEditor({ collector, saved }: { collector: Collector; saved: () => void }) {
  const [typed, setTyped] = useState(labelsText(collector.labels));
  const [looked, setLooked] = useState<{ text: string; change: ConfigChange } | null>(null);
  const [problem, setProblem] = useState('');
  const [done, setDone] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();

  async function send(dry: boolean) {
    const parsed = parseLabels(typed);
    setLooked(null);
    setDone('');
    setProblem('problem' in parsed ? parsed.problem : '');
    if ('problem' in parsed) return;
    setBusy(true);
    try {
      const path = `/collectors/${collector.id}/labels${dry ? '?check=true' : ''}`;
      const answer = (await change('PUT', path, { json: { labels: parsed.labels } })) as ConfigChange;
      if (dry) {
        setLooked({ text: typed, change: answer });
      } else {
        setDone('Saved.');
        saved();
      }
    } catch (error) {
      setProblem(refusal(error).text);
    } finally {
      setBusy(false);
    }
  }

  const shown = looked?.text === typed ? looked.change : null;
  return (
    <section className={styles.section} aria-label="Labels">
      <h2>Labels</h2>
      <div className={styles.row}>
        <label htmlFor={id}>Templates are chosen by them</label>
        <input id={id} value={typed} placeholder="stage=prod, team=shop" aria-describedby={`${id}-told`} onChange={(event) => setTyped(event.target.value)} />
        <Button onClick={() => void send(true)} disabled={busy}>
          Show what changes
        </Button>
        <Button onClick={() => void send(false)} disabled={busy || shown === null}>
          Save
        </Button>
      </div>
      <div id={`${id}-told`} className={styles.told} role="status">
        {problem !== '' && <Notice kind="warning">{problem}</Notice>}
        {done !== '' && <Notice kind="note">{done}</Notice>}
        {shown !== null && <Diff text={shown.diff} empty="What the collector gets stays the same." />}
      </div>
    </section>
  );
}
