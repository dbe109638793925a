import { useId, useRef, useState } from 'react';
import { change } from '../api/client';
import type { TemplateChange, TemplateVersion } from '../api/model';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { Outcomes } from './Outcomes';
import { RefusalNotice } from './RefusalNotice';
import { labelsText, parseLabels, refusal, templateSentence, type Refusal } from './steering';
import styles from './steering.module.css';
import { TomlEditor } from './TomlEditor';

interface Props {
  /** The newest version; null for a new template. */
  template: TemplateVersion | null;
  saved: (name: string) => void;
}

interface Typed {
  name: string;
  labels: string;
  priority: string;
  text: string;
}

/** What is there, and what a change of it is made from. */
type Base = Pick<TemplateVersion, 'name' | 'version' | 'text' | 'selector' | 'priority' | 'is_deleted' | 'etag'>;

function asTyped(template: Base | null): Typed {
  return {
    name: template?.name ?? '',
    labels: labelsText(template?.selector ?? {}),
    priority: String(template?.priority ?? 0),
    text: template?.text ?? '',
  };
}

const isSame = (one: Typed, other: Typed): boolean => JSON.stringify(one) === JSON.stringify(other);

/** What was looked at, and what comes of it; `null` was looked at for removing. */
interface Looked {
  typed: Typed | null;
  change: TemplateChange;
}

/** Writes a template: what each collector gets in the end is shown first, and only what was shown can be saved. */
export function TemplateEditor({ template, saved }: Props) {
  const [base, setBase] = useState<Base | null>(template);
  const standing = base?.is_deleted === true ? null : base;
  const [typed, setTyped] = useState(asTyped(template));
  const [done, setDone] = useState('');
  const [looked, setLooked] = useState<Looked | null>(null);
  const [refused, setRefused] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();

  const isNewer = (template?.version ?? 0) > (base?.version ?? 0);
  // What somebody types stays, unless nothing was typed or it is what is there now.
  if (isNewer && (isSame(typed, asTyped(base)) || isSame(typed, asTyped(template)))) {
    setBase(template);
    setTyped(asTyped(template));
  }

  function type(more: Partial<Typed>) {
    setTyped({ ...typed, ...more });
    setLooked(null);
    setRefused(null);
    setDone('');
  }

  function body(): { text: string; selector: Record<string, string>; priority: number } | string {
    const parsed = parseLabels(typed.labels);
    if ('problem' in parsed) return parsed.problem;
    if (!/^-?\d{1,9}$/.test(typed.priority.trim())) return 'The priority is a whole number.';
    if (typed.name.trim() === '') return 'A template needs a name.';
    return { text: typed.text, selector: parsed.labels, priority: Number(typed.priority) };
  }

  async function send(dry: boolean, removes: boolean) {
    const json = removes ? undefined : body();
    setRefused(typeof json === 'string' ? { line: null, text: json } : null);
    setLooked(null);
    setDone('');
    if (typeof json === 'string') return;
    setBusy(true);
    try {
      const path = `/config-templates/${encodeURIComponent(typed.name)}${dry ? '?check=true' : ''}`;
      const sent = { json, ifMatch: standing?.etag, ifNoneMatch: standing === null && !removes ? '*' : undefined };
      const answer = (await change(removes ? 'DELETE' : 'PUT', path, sent)) as TemplateChange;
      if (dry) {
        setLooked({ typed: removes ? null : typed, change: answer });
      } else {
        const { version, etag } = answer;
        const json = body();
        if (version != null && typeof json !== 'string') {
          setBase({ ...json, name: typed.name, version, etag: etag ?? '', is_deleted: removes });
        }
        setDone(removes ? 'Removed.' : answer.changed ? `Saved as version ${answer.version ?? '?'}.` : 'It is what was there already.');
        saved(typed.name);
      }
    } catch (error) {
      setRefused(refusal(error));
    } finally {
      setBusy(false);
    }
  }

  const removing = looked !== null && looked.typed === null;
  const savable = looked !== null && looked.typed !== null && isSame(looked.typed, typed) && looked.change.collectors_refusing === 0;
  return (
    <section className={styles.section} aria-label="Template">
      <div className={styles.row}>
        {template === null && (
          <>
            <label htmlFor={`${id}-name`}>Name</label>
            <input id={`${id}-name`} value={typed.name} onChange={(event) => type({ name: event.target.value })} />
          </>
        )}
        <label htmlFor={`${id}-labels`}>For collectors with the labels</label>
        <input id={`${id}-labels`} value={typed.labels} placeholder="none: for all collectors" onChange={(event) => type({ labels: event.target.value })} />
        <label htmlFor={`${id}-priority`}>Priority</label>
        <input id={`${id}-priority`} data-short="true" inputMode="numeric" value={typed.priority} onChange={(event) => type({ priority: event.target.value })} />
      </div>
      <h2>
        <label htmlFor={id}>What it sets</label>
      </h2>
      <TomlEditor id={id} field={field} value={typed.text} onChange={(text) => type({ text })} badLine={refused?.line ?? null} describedBy={`${id}-told`} />
      <div className={styles.row}>
        <Button onClick={() => void send(true, false)} disabled={busy}>
          Show what changes
        </Button>
        <Button onClick={() => void send(false, false)} disabled={busy || !savable}>
          Save
        </Button>
        {standing !== null && (
          <>
            <Button onClick={() => void send(true, true)} disabled={busy}>
              Show what removing changes
            </Button>
            <Button onClick={() => void send(false, true)} disabled={busy || !removing || looked.change.collectors_refusing > 0}>
              Remove
            </Button>
          </>
        )}
      </div>
      <div id={`${id}-told`} className={styles.told} role="status">
        {isNewer && (
          <Notice kind="warning">
            Version {template?.version} was written meanwhile. <Button quiet onClick={() => { setBase(template); type(asTyped(template)); }}>Load it and drop what you typed</Button>
          </Notice>
        )}
        {refused !== null && <RefusalNotice refusal={refused} field={field} />}
        {done !== '' && <Notice kind="note">{done}</Notice>}
        {looked !== null && <Notice kind={looked.change.collectors_refusing > 0 ? 'warning' : 'note'}>{templateSentence(looked.change)}</Notice>}
      </div>
      {looked !== null && <Outcomes change={looked.change} />}
    </section>
  );
}
