import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { batch, queryString } from '../api/client';
import { ApiError } from '../api/error';
import type { Collector, ConfigVersions, ConfigVersionTexts } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { useTime } from '../time/useTime';
import { ConfigurationEditor } from './ConfigurationEditor';
import { LabelsEditor } from './LabelsEditor';
import { RemoveCollector } from './RemoveCollector';
import { followSentence } from './steering';
import styles from './steering.module.css';
import { VersionList } from './VersionList';

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
      above={
        <nav className={styles.row} aria-label="Breadcrumb">
          <Link to="/collectors" search={(old: Search) => keepTime(old)}>
            Collectors
          </Link>
          <span aria-hidden="true">/</span>
          <span>
            <Foreign text={name} />
          </span>
        </nav>
      }
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
            <section className={styles.section} aria-label="Versions">
              <h2>Versions</h2>
              <VersionList collector={collector} versions={versions.data} saved={page.retry} />
              {versions.total > versions.count && size < SHOWN_MOST && (
                <div>
                  <Button onClick={() => setSize(SHOWN_MOST)}>Show {Math.min(SHOWN_MOST, versions.total)}</Button>
                </div>
              )}
            </section>
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
