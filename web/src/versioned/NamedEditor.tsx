import type { ReactNode } from 'react';
import { change } from '../api/client';
import type { TemplateChange } from '../api/model';
import { madeFrom, type Draft } from './draft';
import { isTaken } from './outcome';
import { Outcomes } from './Outcomes';
import { Meanwhile, Proposal, useProposal } from './Proposal';
import type { Refusal } from './refusal';
import styles from './versioned.module.css';

interface Props<Typed> {
  label: string;
  draft: Draft<Typed>;
  /** Where it stands in the API. */
  path: string;
  /** What is sent, or why it cannot be. */
  body: () => object | string;
  /** The ids of text areas, by their files. */
  field: (file: string | null) => string;
  saved: () => void;
  /** What is typed, with what was refused of it and the id of where that is told. */
  children: (refused: Refusal | null, told: string) => ReactNode;
}

const shows = (change: TemplateChange) => <Outcomes change={change} />;

/** Writes and removes what has a name and is for many collectors: what each gets in the end is shown before. */
export function NamedEditor<Typed>({ label, draft, path, body, field, saved, children }: Props<Typed>) {
  const { typed, base } = draft;
  const saving = useProposal<TemplateChange>({
    of: typed,
    send(check) {
      const json = body();
      return typeof json === 'string' ? json : change('PUT', path + check, { json, ...madeFrom(base.etag) });
    },
    made(change) {
      draft.made(change, typed);
      saved();
    },
  });
  const removing = useProposal<TemplateChange>({
    of: typed,
    send: (check) => change('DELETE', path + check, madeFrom(base.etag)),
    made(change) {
      draft.made(change, base.typed);
      saved();
    },
  });
  const stands = base.etag !== null;
  return (
    <section className={styles.section} aria-label={label}>
      {children(saving.refused, saving.id)}
      <Meanwhile draft={draft} />
      <Proposal proposed={saving} look="Show what changes" make="Save" may={isTaken} field={field} shows={shows} />
      {(stands || removing.done !== null) && (
        <Proposal proposed={removing} look="Show what removing changes" make="Remove" done="Removed." may={isTaken} over={!stands} shows={shows} />
      )}
    </section>
  );
}
