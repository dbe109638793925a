import { useState } from 'react';
import { change } from '../api/client';
import type { Collector, ConfigChange } from '../api/model';
import { Diff } from '../versioned/Diff';
import { Field } from '../versioned/Field';
import { Proposal, useProposal } from '../versioned/Proposal';
import styles from '../versioned/versioned.module.css';
import { labelsText, parseLabels } from './steering';

/** Labels of a collector: templates are chosen by them, so what it gets is shown before they are saved. */
export function LabelsEditor({ collector, saved }: { collector: Collector; saved: () => void }) {
  const [typed, setTyped] = useState(labelsText(collector.labels));
  const saving = useProposal<ConfigChange>({
    of: typed,
    send(check) {
      const parsed = parseLabels(typed);
      return 'problem' in parsed ? parsed.problem : change('PUT', `/collectors/${collector.id}/labels${check}`, { json: { labels: parsed.labels } });
    },
    made: saved,
  });
  return (
    <section className={styles.section} aria-label="Labels">
      <h2>Labels</h2>
      <div className={styles.row}>
        <Field label="Templates are chosen by them" value={typed} placeholder="stage=prod, team=shop" describedBy={saving.id} onChange={setTyped} />
      </div>
      <Proposal
        proposed={saving}
        look="Show what changes"
        make="Save"
        done="Saved."
        may={() => true}
        shows={(change) => <Diff text={change.diff} empty="What the collector gets stays the same." />}
      />
    </section>
  );
}
