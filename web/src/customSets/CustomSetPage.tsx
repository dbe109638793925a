import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { CustomSetState, CustomSetStates, CustomSetVersion, CustomSetVersions } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { Diff } from '../steering/Diff';
import { labelsText } from '../steering/steering';
import styles from '../steering/steering.module.css';
import { useTime } from '../time/useTime';
import { exactMoment } from '../time/zone';
import { CustomSetEditor } from './CustomSetEditor';
import { goes, setHeading, versionText } from './customSets';

interface Reads {
  versions: CustomSetVersions;
  states: CustomSetStates;
}

const REFRESH_S = 10;

/** One custom set: how it goes at its collectors, its files, and what was changed of them. */
export function CustomSetPage() {
  const { setName = '' } = useParams({ strict: false });
  const { zone } = useTime();
  const [from, setFrom] = useState<CustomSetVersion | null>(null);
  const path = `/custom-sets/${encodeURIComponent(setName)}`;
  const page = useReads<Reads>(['custom-set', setName], () => ({ versions: `${path}/versions`, states: `${path}/collectors` }), () => REFRESH_S);
  const read = page.reads?.versions;
  const versions = read?.data?.data ?? [];
  const states = page.reads?.states.data?.data;
  const problem = read?.error ?? page.error;
  const newest = versions[0];
  const made = (one: CustomSetVersion) => exactMoment(Date.parse(one.made_at), zone);
  return (
    <PageFrame
      title={newest?.is_deleted === true ? `${setName} was removed; what was measured stays` : states === undefined ? 'Custom set' : setHeading(setName, states)}
      name={setName}
      above={
        <nav className={styles.row} aria-label="Breadcrumb">
          <Link to="/collectors" search={(old: Search) => keepTime(old)}>
            Collectors
          </Link>
          <span aria-hidden="true">/</span>
          <Link to="/custom-sets" search={(old: Search) => keepTime(old)}>
            Custom sets
          </Link>
          <span aria-hidden="true">/</span>
          <span>
            <Foreign text={setName} />
          </span>
        </nav>
      }
    >
      {problem !== null && <ReadProblem what="the set" error={problem} shownAt={read?.at ?? 0} retry={page.retry} absent="No such custom set." />}
      {newest !== undefined && (
        <>
          <States states={states ?? []} />
          <CustomSetEditor key={`${newest.name} ${from?.version ?? ''}`} set={newest} from={from} saved={page.retry} />
          <section className={styles.section} aria-label="Versions">
            <h2>Versions</h2>
            <ol className={styles.versions}>
              {versions.map((one) => (
                <li key={one.version}>
                  <details>
                    <summary>
                      <Foreign text={`Version ${one.version}, ${made(one)}: ${one.made_by ?? 'the server'} ${one.is_deleted ? 'removed it' : 'wrote it'}, for ${labelsText(one.selector) || 'all collectors'}${one.note == null || one.note === '' ? '' : `: ${one.note}`}`} />
                    </summary>
                    <div>
                      <Diff text={one.diff} empty="Its files are the same as before." />
                      {one !== newest && (
                        <div>
                          <Button onClick={() => setFrom(one)}>Put version {one.version} into the editor</Button>
                        </div>
                      )}
                    </div>
                  </details>
                </li>
              ))}
            </ol>
          </section>
        </>
      )}
    </PageFrame>
  );
}

/** How it goes at each collector, with the reason and what mends it. */
function States({ states }: { states: CustomSetState[] }) {
  if (states.length === 0) return null;
  return (
    <section className={styles.section} aria-label="Collectors">
      <h2>At its collectors</h2>
      <ol className={styles.versions}>
        {states.map((one) => (
          <li key={one.collector_id}>
            <details open={goes(one) !== 'works'}>
              <summary>
                <Foreign text={`${one.collector}: version ${versionText(one)}, ${goes(one)}`} />
              </summary>
              <div>
                {one.config_error != null && (
                  <Notice kind="warning">
                    <Foreign text={one.config_error} lines />
                  </Notice>
                )}
                {one.instances.map((at) => (
                  <p key={at.instance_id}>
                    <Foreign text={`${at.instance}: ${at.state}${at.rows == null ? '' : `, ${at.rows} rows`}${at.message === '' ? '' : `. ${at.message}`}`} lines />
                    {at.fix !== '' && <code className={styles.text}>{at.fix}</code>}
                  </p>
                ))}
              </div>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}
