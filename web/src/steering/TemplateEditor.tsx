import { useId } from 'react';
import type { TemplateVersion } from '../api/model';
import { useDraft } from '../versioned/draft';
import { Field, LabelsField } from '../versioned/Field';
import { NamedEditor } from '../versioned/NamedEditor';
import { TextEditor } from '../versioned/TextEditor';
import styles from '../versioned/versioned.module.css';
import { labelsText, parseLabels } from './steering';

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

function asTyped(template: TemplateVersion | null): Typed {
  return {
    name: template?.name ?? '',
    labels: labelsText(template?.selector ?? {}),
    priority: String(template?.priority ?? 0),
    text: template?.text ?? '',
  };
}

/** Writes a template. */
export function TemplateEditor({ template, saved }: Props) {
  const draft = useDraft({ version: template?.version ?? 0, etag: template?.is_deleted === false ? template.etag : null, typed: asTyped(template) });
  const { typed } = draft;
  const type = (more: Partial<Typed>) => draft.type({ ...typed, ...more });
  const id = useId();

  function body(): object | string {
    const parsed = parseLabels(typed.labels);
    if ('problem' in parsed) return parsed.problem;
    if (!/^-?\d{1,9}$/.test(typed.priority.trim())) return 'The priority is a whole number.';
    if (typed.name.trim() === '') return 'A template needs a name.';
    return { text: typed.text, selector: parsed.labels, priority: Number(typed.priority) };
  }

  return (
    <NamedEditor label="Template" draft={draft} path={templatePath(typed.name)} body={body} field={() => id} saved={() => saved(typed.name)}>
      {(refused, told) => (
        <>
          <div className={styles.row}>
            {template === null && <Field label="Name" value={typed.name} onChange={(name) => type({ name })} />}
            <LabelsField value={typed.labels} onChange={(labels) => type({ labels })} />
            <Field label="Priority" short value={typed.priority} onChange={(priority) => type({ priority })} />
          </div>
          <h2>
            <label htmlFor={id}>What it sets</label>
          </h2>
          <TextEditor id={id} value={typed.text} onChange={(text) => type({ text })} badLine={refused?.line ?? null} describedBy={told} />
        </>
      )}
    </NamedEditor>
  );
}

export const templatePath = (name: string): string => `/config-templates/${encodeURIComponent(name)}`;
