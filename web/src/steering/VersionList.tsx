import { useState } from 'react';
import { change } from '../api/client';
import type { Collector, ConfigChange, ConfigVersion } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { Button } from '../shell/Button';
import { useTime } from '../time/useTime';
import { Diff } from './Diff';
import { refusal, versionSentence } from './steering';
import styles from './steering.module.css';

interface Props {
  collector: Collector;
  versions: ConfigVersion[];
  saved: () => void;
}

/** Who changed what, when and why; each can be restored once it was looked at what that changes. */
export function VersionList({ collector, versions, saved }: Props) {
  const { zone } = useTime();
  const [looked, setLooked] = useState<{ version: number; change: ConfigChange } | null>(null);
  const [problem, setProblem] = useState<{ version: number; text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const newest = versions[0]?.version;

  async function restore(version: number, dry: boolean) {
    setBusy(true);
    setProblem(null);
    try {
      const path = `/config/${collector.id}/versions/${version}/restore${dry ? '?check=true' : ''}`;
      const answer = (await change('POST', path, {})) as ConfigChange;
      setLooked(dry ? { version, change: answer } : null);
      if (!dry) saved();
    } catch (error) {
      setLooked(null);
      setProblem({ version, text: refusal(error).text });
    } finally {
      setBusy(false);
    }
  }

  return (
    <ol className={styles.versions}>
      {versions.map((one) => (
        <li key={one.version}>
          <details>
            <summary>
              <Foreign text={versionSentence(one, zone, Date.now())} />
              {one.version === collector.config_in_force && <strong> · followed</strong>}
              {one.version === collector.config_refused && <strong> · refused by the collector</strong>}
            </summary>
            <div>
              <Diff text={one.diff} empty="It says the same as the one before." />
              {one.version !== newest && (
                <div className={styles.row}>
                  <Button onClick={() => void restore(one.version, true)} disabled={busy}>
                    Show what restoring version {one.version} changes
                  </Button>
                  <Button onClick={() => void restore(one.version, false)} disabled={busy || looked?.version !== one.version || !looked.change.changed}>
                    Restore version {one.version}
                  </Button>
                </div>
              )}
              <div className={styles.told} role="status">
                {problem?.version === one.version && <Notice kind="warning">{problem.text}</Notice>}
                {looked?.version === one.version && <Diff text={looked.change.diff} empty="Nothing changes." />}
              </div>
            </div>
          </details>
        </li>
      ))}
    </ol>
  );
}
