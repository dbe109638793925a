import type { ReactNode } from 'react';
import { Foreign } from '../format/Foreign';
import { useTime } from '../time/useTime';
import { exactMoment } from '../time/zone';
import { Diff } from './Diff';
import { Proposal, useProposal } from './Proposal';
import styles from './versioned.module.css';

/** What versions of all kinds have. */
export interface Version {
  version: number;
  made_at: string;
  made_by?: string | null;
  is_deleted?: boolean;
  diff: string;
}

/** How an earlier version is put in force again. */
interface Restoring<V, C> {
  restore: (version: V, check: string) => Promise<unknown>;
  may: (change: C) => boolean;
  shows: (change: C) => ReactNode;
  saved: () => void;
}

interface Props<V, C> extends Restoring<V, C> {
  /** The newest first. */
  versions: V[];
  /** What somebody did: `ada wrote it`. */
  what: (version: V, by: string) => string;
  /** What is said where nothing differs from the one before. */
  same: string;
  marks?: (version: V) => ReactNode;
  children?: ReactNode;
}

/** Who changed what, when and why; each can be restored once it was looked at what that changes. */
export function VersionList<V extends Version, C extends { changed: boolean }>({ versions, what, same, marks, children, ...restoring }: Props<V, C>) {
  const { zone } = useTime();
  return (
    <section className={styles.section} aria-label="Versions">
      <h2>Versions</h2>
      <ol className={styles.versions}>
        {versions.map((one, index) => (
          <li key={one.version}>
            <details>
              <summary>
                <Foreign text={`Version ${one.version}, ${exactMoment(Date.parse(one.made_at), zone)}: ${what(one, one.made_by ?? 'the server')}`} />
                {marks?.(one)}
              </summary>
              <div>
                <Diff text={one.diff} empty={same} />
                {index > 0 && one.is_deleted !== true && <Restore key={versions[0]?.version} version={one} {...restoring} />}
              </div>
            </details>
          </li>
        ))}
      </ol>
      {children}
    </section>
  );
}

function Restore<V extends Version, C extends { changed: boolean }>({ version, restore, may, shows, saved }: Restoring<V, C> & { version: V }) {
  const proposed = useProposal<C>({ of: version.version, send: (check) => restore(version, check), made: saved });
  return (
    <Proposal
      proposed={proposed}
      look={`Show what restoring version ${version.version} changes`}
      make={`Restore version ${version.version}`}
      may={(change) => change.changed && may(change)}
      shows={shows}
    />
  );
}
