import { useId, useState } from 'react';
import type { CustomSetVersion } from '../api/model';
import { Button } from '../shell/Button';
import { labelsText, parseLabels } from '../steering/steering';
import { useDraft } from '../versioned/draft';
import { Field, LabelsField } from '../versioned/Field';
import { NamedEditor } from '../versioned/NamedEditor';
import { TextEditor } from '../versioned/TextEditor';
import styles from '../versioned/versioned.module.css';
import { BEGINNING, isVersion } from './customSets';

interface Props {
  /** The newest version; null for a new set. */
  set: CustomSetVersion | null;
  saved: (name: string) => void;
}

interface Typed {
  name: string;
  labels: string;
  set: string;
  sql: [version: string, text: string][];
}

function asTyped(set: CustomSetVersion | null): Typed {
  if (set === null) return { name: 'x_', labels: '', set: BEGINNING.set, sql: [['12', BEGINNING.sql]] };
  return { name: set.name, labels: labelsText(set.selector), set: set.set, sql: Object.entries(set.sql) };
}

/** Writes a custom set. */
export function CustomSetEditor({ set, saved }: Props) {
  const draft = useDraft({ version: set?.version ?? 0, etag: set?.is_deleted === false ? set.etag : null, typed: asTyped(set) });
  const { typed } = draft;
  const type = (more: Partial<Typed>) => draft.type({ ...typed, ...more });
  const [note, setNote] = useState('');
  const id = useId();
  const collectors = set?.collectors ?? [];
  const name = typed.name.trim();
  const field = (file: string | null) => `${id}-${file ?? ''}`;

  function body(): object | string {
    const parsed = parseLabels(typed.labels);
    if ('problem' in parsed) return parsed.problem;
    const versions = typed.sql.map(([version]) => version.trim());
    if (!versions.every(isVersion)) return 'A statement is for a version of PostgreSQL and all later ones, such as 12 or 9.6.';
    if (new Set(versions).size < versions.length) return 'Two statements are for the same version.';
    const sql = Object.fromEntries(typed.sql.map(([version, text]) => [version.trim(), text]));
    return { set: typed.set, sql, selector: parsed.labels, collectors, note: note.trim() || null };
  }

  function written() {
    setNote('');
    saved(name);
  }

  return (
    <NamedEditor label="Custom set" draft={draft} path={setPath(name)} body={body} field={field} saved={written}>
      {(refused, told) => {
        const text = (file: string, value: string, onChange: (value: string) => void) => (
          <TextEditor id={field(file)} value={value} onChange={onChange} badLine={refused?.file === file ? refused.line : null} describedBy={told} />
        );
        const change = (at: number, one: [string, string]) => type({ sql: typed.sql.with(at, one) });
        return (
          <>
            <div className={styles.row}>
              {set === null && <Field label="Name" value={typed.name} onChange={(name) => type({ name })} />}
              <LabelsField value={typed.labels} onChange={(labels) => type({ labels })} />
              <Field label="Why" value={note} onChange={setNote} />
            </div>
            {collectors.length > 0 && <p className={styles.quiet}>Of those only the {collectors.length} that were named with the API.</p>}
            <h2>
              <label htmlFor={field('set.toml')}>set.toml: what it measures</label>
            </h2>
            {text('set.toml', typed.set, (set) => type({ set }))}
            {typed.sql.map(([version, statement], at) => {
              const file = `${version.trim()}.sql`;
              return (
                <div key={at} className={styles.section}>
                  <div className={styles.row}>
                    <Field label="Statement from version" short value={version} onChange={(version) => change(at, [version, statement])} />
                    <Button quiet onClick={() => type({ sql: typed.sql.toSpliced(at, 1) })}>
                      Take it away
                    </Button>
                  </div>
                  <label className={styles.quiet} htmlFor={field(file)}>
                    {version.trim() === '' ? 'The statement' : file}
                  </label>
                  {text(file, statement, (statement) => change(at, [version, statement]))}
                </div>
              );
            })}
            <div className={styles.row}>
              <Button quiet onClick={() => type({ sql: [...typed.sql, ['', '']] })}>
                Another statement for newer or older versions
              </Button>
            </div>
          </>
        );
      }}
    </NamedEditor>
  );
}

export const setPath = (name: string): string => `/custom-sets/${encodeURIComponent(name)}`;
