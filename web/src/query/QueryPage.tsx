import { useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { FlaggedInterval, InstanceDetail, Statement, Timeline } from '../api/model';
import { between, useReads } from '../api/useReads';
import { TimeChart } from '../charts/TimeChart';
import { Foreign } from '../format/Foreign';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { lengthLabel } from '../time/range';
import { useChangeUrl, useTime, useUrl, useZoom } from '../time/useTime';
import { span } from '../time/zone';
import { Figures } from './Figures';
import styles from './QueryPage.module.css';
import { SplitTable } from './SplitTable';
import { SqlText } from './SqlText';
import { statementCharts } from './statementCharts';

interface Reads {
  instance: InstanceDetail;
  statement: Statement;
  timeline: Timeline;
}

const NO_FLAGS: FlaggedInterval[] = [];

export function QueryPage() {
  const { instanceId, queryid } = useParams({ from: '/signed-in/instances/$instanceId/queries/$queryid' });
  const url = useUrl();
  const change = useChangeUrl();
  const zoom = useZoom();
  const { zone } = useTime();
  const filters = { database: url.db, user: url.user };
  const base = `/instances/${instanceId}/queries/${queryid}`;

  const page = useReads<Reads>(
    ['query', instanceId, queryid, url.db, url.user],
    (range) => ({
      instance: instancePath(instanceId, range),
      statement: base + queryString({ ...between(range), ...filters }),
      timeline: `${base}/timeline${queryString({ ...between(range), ...filters })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const statement = page.reads?.statement.data ?? null;
  const timeline = page.reads?.timeline.data ?? null;
  const blockSize = page.reads?.instance.data?.block_size ?? null;
  const specs = useMemo(
    () => (timeline === null || blockSize === null ? [] : statementCharts(timeline, statement?.figures ?? null, blockSize)),
    [timeline, statement, blockSize],
  );
  const hidden = useMemo(() => url.hide?.split(',') ?? [], [url.hide]);
  const length = page.range.end - page.range.start;
  const filtered = url.db !== undefined || url.user !== undefined;

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Queries"
      gaps={timeline?.gaps}
      below={<code>{queryid}</code>}
      title={<Title queryid={queryid} statement={statement} />}
    >
      {page.reads?.statement.error != null && (
        <ReadProblem
          what="the query"
          error={page.reads.statement.error}
          shownAt={page.reads.statement.at}
          retry={page.retry}
          absent={`This statement was not seen between ${span(page.range.start, page.range.end, zone, Date.now(), ' and ')}.`}
        />
      )}
      {filtered && (
        <p>
          Only <Foreign text={[url.db, url.user].filter(Boolean).join(' · ')} />{' '}
          <Button onClick={() => change({ db: undefined, user: undefined })}>Clear filters</Button>
        </p>
      )}
      {statement === null ? (
        page.reads === null && <div className={styles.skeleton} role="status" aria-label="Loading the query" />
      ) : (
        <>
          <SqlText statement={statement} />
          <Figures statement={statement} length={lengthLabel(length)} outdated={page.outdated} />
          <CoveredNotice covered={statement.covered} />
          <FlagNotices flags={statement.flagged_intervals} />
          {!statement.complete && <Notice kind="note">For part of this range it was counted in &apos;others&apos;.</Notice>}
        </>
      )}
      {page.reads?.timeline.error != null && page.reads.timeline.error.status !== 404 && (
        <ReadProblem what="the charts" error={page.reads.timeline.error} shownAt={page.reads.timeline.at} retry={page.retry} />
      )}
      {timeline !== null && (
        <div className={styles.charts}>
          {specs.map((spec) => (
            <TimeChart
              key={spec.id}
              spec={spec}
              grid={timeline.grid}
              range={page.range}
              zone={zone}
              flags={timeline.flagged_intervals.length > 0 ? timeline.flagged_intervals : (statement?.flagged_intervals ?? NO_FLAGS)}
              gaps={timeline.gaps}
              hidden={hidden}
              onHide={(next) => change({ hide: next.length === 0 ? undefined : next.join(',') })}
              onZoom={zoom}
              outdated={page.outdated}
            />
          ))}
        </div>
      )}
      {statement !== null && (
        <section className={styles.split} aria-label="Split">
          <h2>Split by database, user and level</h2>
          <SplitTable
            instanceId={instanceId}
            blockSize={blockSize}
            rows={statement.split}
            unmeasured={statement.unmeasured}
            range={page.range}
            zone={zone}
            outdated={page.outdated}
          />
        </section>
      )}
    </InstanceFrame>
  );
}

/** queryid, where it ran and who ran it. */
function Title({ queryid, statement }: { queryid: string; statement: Statement | null }) {
  const names = (list: string[]) => (list.length > 2 ? `${list.slice(0, 2).join(', ')} +${list.length - 2}` : list.join(', '));
  const parts = statement === null ? [] : [names(statement.databases), names(statement.users)].filter((part) => part !== '');
  return (
    <>
      <span className={styles.queryid}>{queryid}</span>
      {parts.map((part) => (
        <span key={part} className={styles.where}>
          {' · '}
          <Foreign text={part} />
        </span>
      ))}
    </>
  );
}
