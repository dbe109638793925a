import { useId, useState } from 'react';
import { change } from '../api/client';
import type { AppliedTemplate, Collector, ConfigChange, ConfigVersionTexts } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Button } from '../shell/Button';
import { Diff, Text } from '../versioned/Diff';
import { madeFrom, useDraft } from '../versioned/draft';
import { Meanwhile, Proposal, useProposal } from '../versioned/Proposal';
import { TextEditor } from '../versioned/TextEditor';
import styles from '../versioned/versioned.module.css';

interface Props {
  collector: Collector;
  /** The newest version; null where there is none. */
  newest: ConfigVersionTexts | null;
  saved: () => void;
}

/** What the collector gets, and what is under it. */
interface Gets {
  effective: string;
  templates: AppliedTemplate[];
}

const NOTHING: Gets = { effective: '', templates: [] };

/** Writes a collector's configuration. */
export function ConfigurationEditor({ collector, newest, saved }: Props) {
  const draft = useDraft({ version: newest?.version ?? 0, etag: newest?.etag ?? null, typed: newest?.written ?? '' });
  const { typed, base } = draft;
  const [gets, setGets] = useState<{ version: number; gets: Gets } | null>(null);
  const id = useId();
  const saving = useProposal<ConfigChange>({
    of: typed,
    send: (check) => change('PUT', `/config/${collector.id}${check}`, { toml: typed, ...madeFrom(base.etag) }),
    made(change) {
      draft.made(change, typed);
      setGets({ version: change.version ?? 0, gets: change });
      saved();
    },
  });

  const { looked } = saving;
  const now = (gets?.version ?? 0) > (newest?.version ?? 0) ? gets?.gets : newest;
  const { effective, templates } = looked ?? now ?? NOTHING;
  const under = templates.map((one) => one.name);
  return (
    <section className={styles.section} aria-label="Configuration">
      <h2>
        <label htmlFor={id}>Written for this collector</label>
      </h2>
      <p className={styles.quiet}>
        The collector’s environment and its own file win over this, and this wins over templates. It cannot set [backend], [tls], directories or secrets.
      </p>
      <TextEditor id={id} value={typed} onChange={draft.type} badLine={saving.refused?.line ?? null} describedBy={saving.id} />
      <Meanwhile draft={draft} />
      <Proposal
        proposed={saving}
        look="Show what changes"
        make="Save"
        may={(change) => change.changed}
        field={() => id}
        shows={(change) => <Diff text={change.diff} empty="Nothing changes." />}
      >
        <Button quiet onClick={() => draft.type(base.typed)} disabled={typed === base.typed}>
          Undo
        </Button>
      </Proposal>
      <h3>
        {looked === null ? 'What it gets' : 'What it would get'}
        {under.length > 0 && (
          <>
            , with {under.length === 1 ? 'the template' : 'the templates'} <Foreign text={under.join(', ')} />
          </>
        )}
      </h3>
      <Text text={effective} label="What the collector gets" />
    </section>
  );
}
