import type { TemplateChange } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { Diff, Text } from './Diff';
import { outcomeSentence } from './outcome';
import styles from './versioned.module.css';

/** What a change comes to, and what each collector gets in the end. */
export function Outcomes({ change }: { change: TemplateChange }) {
  return (
    <>
      <Notice kind={change.collectors_refusing > 0 ? 'warning' : 'note'}>{outcomeSentence(change)}</Notice>
      <Each change={change} />
    </>
  );
}

function Each({ change: { outcomes, collectors } }: { change: TemplateChange }) {
  if (outcomes.length === 0) return null;
  return (
    <>
      <ol className={styles.versions} aria-label="What each collector gets">
        {outcomes.map((one) => (
          <li key={one.collector_id}>
            <details>
              <summary>
                <Foreign text={one.collector} />: {one.error != null ? 'would refuse it' : one.changed ? 'gets something else' : 'nothing changes'}
              </summary>
              <div>
                {one.error != null ? (
                  <Notice kind="warning">{one.error}</Notice>
                ) : (
                  <>
                    <Diff text={one.diff} empty="Nothing changes." />
                    <h3>What it would get</h3>
                    <Text text={one.effective} label={`What ${one.collector} would get`} />
                  </>
                )}
              </div>
            </details>
          </li>
        ))}
      </ol>
      {collectors > outcomes.length && <p className={styles.quiet}>{collectors - outcomes.length} more are not shown.</p>}
    </>
  );
}
