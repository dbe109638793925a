import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { batch, change, queryString } from '../api/client';
import { ApiError } from '../api/error';
import type { Collector, ConfigChange, ConfigVersion, ConfigVersions, ConfigVersionTexts } from '../api/model';
import { useReads } from '../api/useReads';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { Crumbs } from '../shell/Crumbs';
import { PageFrame } from '../shell/PageFrame';
import { useTime } from '../time/useTime';
import { Diff } from '../versioned/Diff';
import { madeFrom } from '../versioned/draft';
import { VersionList } from '../versioned/VersionList';
import styles from '../versioned/versioned.module.css';
import { ConfigurationEditor } from './ConfigurationEditor';
import { COLLECTORS } from './crumbs';
import { LabelsEditor } from './LabelsEditor';
import { RemoveCollector } from './RemoveCollector';
import { followSentence, whySentence } from './steering';

interface Reads {
  collector: Collector;
  versions: ConfigVersions;
}

const REFRESH_S = 10;
const SHOWN = 20;
const SHOWN_MOST = 100;

/** What a collector is to follow, and whether it does. */
export function ConfigurationPage() {
  const { collectorId } = useParams({ strict: false });
  const id = encodeURIComponent(collectorId ?? '');
  const { zone } = useTime();
  const [size, setSize] = useState(SHOWN);
  const page = useReads<Reads>(
    ['configuration', id, size],
    () => ({ collector: `/collectors/${id}`, versions: `/config/${id}/versions${queryString({ page_size: size })}` }),
    () => REFRESH_S,
  );
  const { reads } = page;
  const collector = reads?.collector.data ?? null;
  const versions = reads?.versions.data ?? null;
  const problem = reads?.collector.error ?? reads?.versions.error ?? page.error;
  const newest = versions === null ? undefined : (versions.data[0]?.version ?? null);
  const texts = useTexts(id, newest);
  const name = collector?.name ?? 'Configuration';
  return (
    <PageFrame
      title={collector === null ? 'Configuration' : followSentence(collector, zone, Date.now())}
      name={name}
      above={<Crumbs above={[COLLECTORS]} here={name} />}
    >
      {problem !== null && (
        <ReadProblem what="the configuration" error={problem} shownAt={reads?.collector.at ?? 0} retry={page.retry} absent="No such collector." />
      )}
      {reads === null && page.error === null && <div className={styles.skeleton} role="status" aria-label="Loading the configuration" />}
      {collector?.config_error != null && <Notice kind="warning">{`It does not follow its newest configuration: ${collector.config_error}`}</Notice>}
      {collector !== null && versions !== null && (
        <>
          {texts.error !== null && <ReadProblem what="the text" error={texts.error} retry={() => void texts.refetch()} absent="No such version." />}
          {texts.data !== undefined && <ConfigurationEditor key={collector.id} collector={collector} newest={texts.data} saved={page.retry} />}
          <LabelsEditor key={`${collector.id} labels`} collector={collector} saved={page.retry} />
          {newest != null && (
            <VersionList<ConfigVersion, ConfigChange>
              versions={versions.data}
              what={whySentence}
              same="It says the same as the one before."
              marks={(one) => (
                <>
                  {one.version === collector.config_in_force && <strong> · followed</strong>}
                  {one.version === collector.config_refused && <strong> · refused by the collector</strong>}
                </>
              )}
              restore={(one, check) => change('POST', `/config/${id}/versions/${one.version}/restore${check}`, madeFrom(texts.data?.etag ?? null))}
              may={() => true}
              shows={(change) => <Diff text={change.diff} empty="Nothing changes." />}
              saved={page.retry}
            >
              {versions.total > versions.count && size < SHOWN_MOST && (
                <div>
                  <Button onClick={() => setSize(SHOWN_MOST)}>Show {Math.min(SHOWN_MOST, versions.total)}</Button>
                </div>
              )}
            </VersionList>
          )}
          <RemoveCollector key={`${collector.id} remove`} collector={collector} />
        </>
      )}
    </PageFrame>
  );
}

/** The texts of a version, which never change; null where there is none. While another one comes the last one stays. */
function useTexts(id: string, version: number | null | undefined) {
  return useQuery<ConfigVersionTexts | null, ApiError>({
    queryKey: ['configuration texts', id, version],
    queryFn: async ({ signal }) => {
      if (version == null) return null;
      const [answer] = await batch([`/config/${id}/versions/${version}`], signal);
      if (answer?.ok !== true) throw answer?.error ?? new ApiError(502, 'The batch came back short.', null);
      return answer.body as ConfigVersionTexts;
    },
    enabled: version !== undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
    networkMode: 'always',
  });
}
