import { useId, useRef, useState } from 'react';
import { change } from '../api/client';
import type { CustomSetVersion, TemplateChange } from '../api/model';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { Outcomes } from '../steering/Outcomes';
import { labelsText, parseLabels, templateSentence } from '../steering/steering';
import styles from '../steering/steering.module.css';
import { TomlEditor } from '../steering/TomlEditor';
import { BEGINNING, fileRefusal, isVersion, type FileRefusal } from './customSets';

interface Props {
  /** The newest version; null for a new set. */
  set: CustomSetVersion | null;
  /** An earlier version to begin from. */
  from?: CustomSetVersion | null;
  saved: (name: string) => void;
}

interface Typed {
  name: string;
  labels: string;
  note: string;
  set: string;
  sql: [version: string, text: string][];
}

function asTyped(set: CustomSetVersion | null): Typed {
  if (set === null) return { name: 'x_', labels: '', note: '', set: BEGINNING.set, sql: [['12', BEGINNING.sql]] };
  return { name: set.name, labels: labelsText(set.selector), note: '', set: set.set, sql: Object.entries(set.sql) };
}

/** An earlier version, to be written again. */
const again = (from: CustomSetVersion): Typed => ({ ...asTyped(from), note: `version ${from.version} again` });

const isSame = (one: Typed, other: Typed): boolean => JSON.stringify(one) === JSON.stringify(other);

/** What was looked at, and what comes of it; `null` was looked at for removing. */
interface Looked {
  typed: Typed | null;
  change: TemplateChange;
}

/** Writes a custom set: it is checked and shown what comes of it first, and only what was shown can be saved. */
export function CustomSetEditor({ set, from = null, saved }: Props) {
  const [base, setBase] = useState(set);
  const [typed, setTyped] = useState(from === null ? asTyped(set) : again(from));
  const [looked, setLooked] = useState<Looked | null>(null);
  const [refused, setRefused] = useState<FileRefusal | null>(null);
  const [done, setDone] = useState('');
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();

  const isNewer = (set?.version ?? 0) > (base?.version ?? 0);
  // What somebody types stays, unless nothing was typed or it is what is there now.
  if (isNewer && (isSame(typed, asTyped(base)) || isSame({ ...typed, note: '' }, asTyped(set)))) {
    setBase(set);
    setTyped(asTyped(set));
  }
  const standing = base?.is_deleted === true ? null : base;

  function type(more: Partial<Typed>) {
    setTyped({ ...typed, ...more });
    setLooked(null);
    setRefused(null);
    setDone('');
  }

  function body(): object | string {
    const parsed = parseLabels(typed.labels);
    if ('problem' in parsed) return parsed.problem;
    const versions = typed.sql.map(([version]) => version.trim());
    if (!versions.every(isVersion)) return 'A statement is for a version of PostgreSQL and all later ones, such as 12 or 9.6.';
    if (new Set(versions).size < versions.length) return 'Two statements are for the same version.';
    const sql = Object.fromEntries(typed.sql.map(([version, text]) => [version.trim(), text]));
    return { set: typed.set, sql, selector: parsed.labels, collectors: base?.collectors ?? [], note: typed.note.trim() || null };
  }

  async function send(dry: boolean, removes: boolean) {
    const json = removes ? undefined : body();
    setRefused(typeof json === 'string' ? { file: null, line: null, text: json } : null);
    setLooked(null);
    setDone('');
    if (typeof json === 'string') return;
    setBusy(true);
    try {
      const path = `/custom-sets/${encodeURIComponent(typed.name.trim())}${dry ? '?check=true' : ''}`;
      const sent = { json, ifMatch: standing?.etag, ifNoneMatch: standing === null && !removes ? '*' : undefined };
      const answer = (await change(removes ? 'DELETE' : 'PUT', path, sent)) as TemplateChange;
      if (dry) {
        setLooked({ typed: removes ? null : typed, change: answer });
      } else {
        setDone(removes ? 'Removed.' : answer.changed ? `Saved as version ${answer.version ?? '?'}.` : 'It is what was there already.');
        saved(typed.name.trim());
      }
    } catch (error) {
      setRefused(fileRefusal(error));
    } finally {
      setBusy(false);
    }
  }

  const removing = looked !== null && looked.typed === null;
  const savable = looked !== null && looked.typed !== null && isSame(looked.typed, typed) && looked.change.collectors_refusing === 0;
  const badLine = (file: string) => (refused?.file === file ? refused.line : null);
  return (
    <section className={styles.section} aria-label="Custom set">
      <div className={styles.row}>
        {set === null && (
          <>
            <label htmlFor={`${id}-name`}>Name</label>
            <input id={`${id}-name`} value={typed.name} onChange={(event) => type({ name: event.target.value })} />
          </>
        )}
        <label htmlFor={`${id}-labels`}>For collectors with the labels</label>
        <input id={`${id}-labels`} value={typed.labels} placeholder="none: for all collectors" onChange={(event) => type({ labels: event.target.value })} />
        <label htmlFor={`${id}-note`}>Why</label>
        <input id={`${id}-note`} value={typed.note} onChange={(event) => type({ note: event.target.value })} />
      </div>
      {(base?.collectors.length ?? 0) > 0 && <p className={styles.quiet}>Of those only the {base?.collectors.length} that were named with the API.</p>}
      <h2>
        <label htmlFor={id}>set.toml: what it measures</label>
      </h2>
      <TomlEditor id={id} field={field} value={typed.set} onChange={(text) => type({ set: text })} badLine={badLine('set.toml')} describedBy={`${id}-told`} />
      {typed.sql.map(([version, text], at) => (
        <Statement
          key={at}
          id={`${id}-${at}`}
          version={version}
          text={text}
          badLine={badLine(`${version.trim()}.sql`)}
          describedBy={`${id}-told`}
          change={(one) => type({ sql: one === null ? typed.sql.filter((_, other) => other !== at) : typed.sql.map((old, other) => (other === at ? one : old)) })}
        />
      ))}
      <div className={styles.row}>
        <Button quiet onClick={() => type({ sql: [...typed.sql, ['', '']] })}>
          Another statement for newer or older versions
        </Button>
      </div>
      <div className={styles.row}>
        <Button onClick={() => void send(true, false)} disabled={busy}>
          Check, and show what changes
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
            Version {set?.version} was written meanwhile. <Button quiet onClick={() => { setBase(set); type(asTyped(set)); }}>Load it and drop what you typed</Button>
          </Notice>
        )}
        {refused !== null && <Notice kind="warning">{refused.text}</Notice>}
        {done !== '' && <Notice kind="note">{done}</Notice>}
        {looked !== null && <Notice kind={looked.change.collectors_refusing > 0 ? 'warning' : 'note'}>{templateSentence(looked.change)}</Notice>}
      </div>
      {looked !== null && <Outcomes change={looked.change} />}
    </section>
  );
}

interface StatementProps {
  id: string;
  version: string;
  text: string;
  badLine: number | null;
  describedBy: string;
  /** `null` takes it away. */
  change: (one: [version: string, text: string] | null) => void;
}

/** One statement, and the version from which on it is the one. */
function Statement({ id, version, text, badLine, describedBy, change: changed }: StatementProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <>
      <div className={styles.row}>
        <label htmlFor={`${id}-version`}>Statement from version</label>
        <input id={`${id}-version`} data-short="true" value={version} onChange={(event) => changed([event.target.value, text])} />
        <Button quiet onClick={() => changed(null)}>
          Take it away
        </Button>
      </div>
      <label className={styles.quiet} htmlFor={id}>
        {version.trim() === '' ? 'The statement' : `${version.trim()}.sql`}
      </label>
      <TomlEditor id={id} field={field} value={text} onChange={(one) => changed([version, one])} badLine={badLine} describedBy={describedBy} />
    </>
  );
}
