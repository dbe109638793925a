import { useId, useRef, useState } from 'react';
import { change } from '../api/client';
import type { Collector, ConfigChange, ConfigVersionTexts } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { Diff, Text } from './Diff';
import { RefusalNotice } from './RefusalNotice';
import { refusal, type Refusal } from './steering';
import styles from './steering.module.css';
import { TomlEditor } from './TomlEditor';

interface Props {
  collector: Collector;
  /** The newest version; null where there is none. */
  newest: ConfigVersionTexts | null;
  saved: () => void;
}

/** What is written and comes of it, and what a change of it is made from. */
type Base = Pick<ConfigVersionTexts, 'version' | 'written' | 'effective' | 'templates' | 'etag'>;

/** Writes a collector's configuration: only what was looked at can be saved, and only over the version it was made from. */
export function ConfigurationEditor({ collector, newest, saved }: Props) {
  const [base, setBase] = useState<Base | null>(newest);
  const [typed, setTyped] = useState(newest?.written ?? '');
  const [looked, setLooked] = useState<{ text: string; change: ConfigChange } | null>(null);
  const [refused, setRefused] = useState<Refusal | null>(null);
  const [done, setDone] = useState('');
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const written = base?.written ?? '';

  const isNewer = (newest?.version ?? 0) > (base?.version ?? 0);
  // What somebody types stays, unless what it was made from is the same or nothing was typed.
  if (isNewer && (typed === written || newest?.written === written || newest?.written === typed)) {
    setBase(newest);
    if (typed === written) setTyped(newest?.written ?? '');
  }

  function load(text: string) {
    setTyped(text);
    setLooked(null);
    setRefused(null);
    setDone('');
  }

  async function send(dry: boolean) {
    setBusy(true);
    setRefused(null);
    setDone('');
    try {
      const path = `/config/${collector.id}${dry ? '?check=true' : ''}`;
      const answer = (await change('PUT', path, { toml: typed, ifMatch: base?.etag, ifNoneMatch: base === null ? '*' : undefined })) as ConfigChange;
      if (dry) {
        setLooked({ text: typed, change: answer });
      } else {
        setLooked(null);
        const { version, etag, effective, templates } = answer;
        if (version != null && etag != null) setBase({ version, etag, effective, templates, written: typed });
        setDone(answer.changed ? `Saved as version ${answer.version ?? '?'}.` : 'It is what was there already.');
        saved();
      }
    } catch (error) {
      setLooked(null);
      setRefused(refusal(error));
    } finally {
      setBusy(false);
    }
  }

  const shown = looked?.text === typed ? looked.change : null;
  const under = (shown?.templates ?? base?.templates ?? []).map((one) => one.name);
  return (
    <section className={styles.section} aria-label="Configuration">
      <h2>
        <label htmlFor={id}>Written for this collector</label>
      </h2>
      <p className={styles.quiet}>
        The collector’s environment and its own file win over this, and this wins over templates. It cannot set [backend], [tls], directories or secrets.
      </p>
      <TomlEditor id={id} field={field} value={typed} onChange={(text) => load(text)} badLine={refused?.line ?? null} describedBy={`${id}-told`} />
      <div className={styles.row}>
        <Button onClick={() => void send(true)} disabled={busy}>
          Show what changes
        </Button>
        <Button onClick={() => void send(false)} disabled={busy || shown?.changed !== true}>
          Save
        </Button>
        <Button quiet onClick={() => load(written)} disabled={typed === written}>
          Undo
        </Button>
      </div>
      <div id={`${id}-told`} className={styles.told} role="status">
        {isNewer && (
          <Notice kind="warning">
            Version {newest?.version} was written meanwhile. <Button quiet onClick={() => { setBase(newest); load(newest?.written ?? ''); }}>Load it and drop what you typed</Button>
          </Notice>
        )}
        {refused !== null && <RefusalNotice refusal={refused} field={field} />}
        {done !== '' && <Notice kind="note">{done}</Notice>}
        {shown !== null && <Diff text={shown.diff} empty="Nothing changes." />}
      </div>
      <h3>
        {shown === null ? 'What it gets' : 'What it would get'}
        {under.length > 0 && (
          <>
            , with {under.length === 1 ? 'the template' : 'the templates'} <Foreign text={under.join(', ')} />
          </>
        )}
      </h3>
      <Text text={shown?.effective ?? base?.effective ?? ''} label="What the collector gets" />
    </section>
  );
}
