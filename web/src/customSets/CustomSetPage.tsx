import { useParams } from '@tanstack/react-router';
import { change } from '../api/client';
import type { CustomSetState, CustomSetStates, CustomSetVersion, CustomSetVersions, TemplateChange } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Crumbs } from '../shell/Crumbs';
import { PageFrame } from '../shell/PageFrame';
import { COLLECTORS, CUSTOM_SETS } from '../steering/crumbs';
import { labelsText } from '../steering/steering';
import { madeFrom } from '../versioned/draft';
import { isTaken } from '../versioned/outcome';
import { Outcomes } from '../versioned/Outcomes';
import { VersionList } from '../versioned/VersionList';
import styles from '../versioned/versioned.module.css';
import { CustomSetEditor, setPath } from './CustomSetEditor';
import { goes, setHeading, versionText } from './customSets';

interface Reads {
  versions: CustomSetVersions;
  states: CustomSetStates;
}

const REFRESH_S = 10;

const whatSentence = ({ is_deleted, selector, note }: CustomSetVersion, by: string) =>
  `${by} ${is_deleted ? 'removed it' : 'wrote it'}, for ${labelsText(selector) || 'all collectors'}${note == null || note === '' ? '' : `: ${note}`}`;

/** One custom set: how it goes at its collectors, its files, and what was changed of them. */
export function CustomSetPage() {
  const { setName = '' } = useParams({ strict: false });
  const path = setPath(setName);
  const page = useReads<Reads>(['custom-set', setName], () => ({ versions: `${path}/versions`, states: `${path}/collectors` }), () => REFRESH_S);
  const read = page.reads?.versions;
  const versions = read?.data?.data ?? [];
  const states = page.reads?.states.data?.data;
  const problem = read?.error ?? page.error;
  const newest = versions[0];
  return (
    <PageFrame
      title={newest?.is_deleted === true ? `${setName} was removed; what was measured stays` : states === undefined ? 'Custom set' : setHeading(setName, states)}
      name={setName}
      above={<Crumbs above={[COLLECTORS, CUSTOM_SETS]} here={setName} />}
    >
      {problem !== null && <ReadProblem what="the set" error={problem} shownAt={read?.at ?? 0} retry={page.retry} absent="No such custom set." />}
      {newest !== undefined && (
        <>
          <States states={states ?? []} />
          <CustomSetEditor key={newest.name} set={newest} saved={page.retry} />
          <VersionList<CustomSetVersion, TemplateChange>
            versions={versions}
            what={whatSentence}
            same="Its files are the same as before."
            restore={({ version, set, sql, selector, collectors }, check) => {
              const json = { set, sql, selector, collectors, note: `version ${version} again` };
              return change('PUT', path + check, { json, ...madeFrom(newest.is_deleted ? null : newest.etag) });
            }}
            may={isTaken}
            shows={(change) => <Outcomes change={change} />}
            saved={page.retry}
          />
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
