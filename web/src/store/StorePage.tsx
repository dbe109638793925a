import { useMemo, useState } from 'react';
import type { Jobs, Retention, StoreSizes } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { useTime } from '../time/useTime';
import { GrowthFigures } from './GrowthFigures';
import { InstanceSizes } from './InstanceSizes';
import { JobsTable } from './JobsTable';
import { RetentionEditor } from './RetentionEditor';
import { RetentionTable } from './RetentionTable';
import { keptLines, progressSentence, storeHeading, type KeptLine } from './store';
import styles from './StorePage.module.css';

interface Reads {
  jobs: Jobs;
  store: StoreSizes;
  retention: Retention;
}

const WHAT = { jobs: 'background work', store: 'sizes', retention: 'retention' } as const;
const REFRESH_S = 10;

/** What the servers do in the background, how the store grows, and how long what is kept. */
export function StorePage() {
  const { zone } = useTime();
  const [chosen, setChosen] = useState<KeptLine | null>(null);
  const page = useReads<Reads>(['store'], () => ({ jobs: '/jobs', store: '/store', retention: '/retention' }), () => REFRESH_S);
  const { reads } = page;
  const jobs = reads?.jobs.data ?? null;
  const sizes = reads?.store.data ?? null;
  const retention = reads?.retention.data ?? null;
  const lines = useMemo(() => (retention === null ? [] : keptLines(retention, sizes)), [retention, sizes]);
  const now = Date.now();
  const denied = reads?.jobs.error?.status === 403 ? reads.jobs.error : null;
  if (denied !== null) {
    return (
      <PageFrame title="Store" name="Store">
        <ReadProblem what="the store" error={denied} retry={page.retry} />
      </PageFrame>
    );
  }
  const progress = jobs === null ? null : progressSentence(jobs, zone, now);
  return (
    <PageFrame title={storeHeading(jobs, sizes, zone, now)} name="Store">
      {page.error !== null && <ReadProblem what="the store" error={page.error} shownAt={reads?.jobs.at ?? 0} retry={page.retry} />}
      {Object.entries(reads ?? {}).map(([name, read]) =>
        read.error === null ? null : (
          <ReadProblem key={name} what={WHAT[name as keyof Reads]} error={read.error} shownAt={read.at} retry={page.retry} />
        ),
      )}
      {reads === null && page.error === null && <div className={styles.skeleton} role="status" aria-label="Loading the store" />}
      {sizes !== null && <GrowthFigures sizes={sizes} zone={zone} outdated={page.outdated} />}
      {jobs !== null && (
        <section className={styles.section} aria-label="Background work">
          <h2>Background work</h2>
          <JobsTable jobs={jobs} zone={zone} now={now} />
          {progress !== null && <p className={styles.quiet}>{progress}</p>}
        </section>
      )}
      {retention !== null && (
        <section className={styles.section} aria-label="Retention">
          <h2>Retention</h2>
          <p className={styles.quiet}>
            <Foreign text="Enter or a click on a line changes its days. A partition goes when all of it is past them: a day of raw rows, a month of 5 minutes, a year of hours and days." />
          </p>
          {chosen !== null && (
            <RetentionEditor
              key={`${chosen.set}/${chosen.kept.tier}`}
              line={chosen}
              before={retention}
              close={() => setChosen(null)}
              saved={page.retry}
            />
          )}
          <RetentionTable lines={lines} zone={zone} choose={setChosen} outdated={page.outdated} />
        </section>
      )}
      {sizes !== null && sizes.noted_at != null && (
        <section className={styles.section} aria-label="Instances">
          <h2>Instances</h2>
          <InstanceSizes sizes={sizes} />
        </section>
      )}
    </PageFrame>
  );
}
