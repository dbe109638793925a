import { useNavigate, useParams } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { queryString } from '../api/client';
import type { InstanceDetail, Ranking } from '../api/model';
import { between, useReads } from '../api/useReads';
import { InstanceFrame, shortestInterval } from '../instance/InstanceFrame';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { CapabilityNotice, Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { keepFilters, type Search } from '../shell/search';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { rankingColumns, DEFAULT_COLUMNS } from './columns';
import { EmptyRanking } from './EmptyRanking';
import { Filters } from './Filters';
import styles from './QueriesPage.module.css';
import { asOthers, heading, lineKey, monitoringLine, ORDER, type Asked, type Line } from './ranking';

/** The API's largest answer; beyond it the order is the server's. */
const LIMIT = 1000;
const BY_TIME: Sort = { id: 'time', descending: true };

interface Reads {
  instance: InstanceDetail;
  ranking: Ranking;
}

export function QueriesPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/queries' });
  const url = useUrl();
  const change = useChangeUrl();
  const navigate = useNavigate();
  const { zone } = useTime();
  const sort = parseSort(url.sort, BY_TIME);
  const order = ORDER[sort.id] ?? ORDER['time'];
  const direction = sort.descending || ORDER[sort.id] === undefined ? undefined : 'asc';
  const toplevel = url.level === 'all' ? undefined : true;
  const watching = url.monitoring === 'show';
  const asked = {
    filtered: [url.q, url.db, url.user].some((one) => one !== undefined),
    costliestFirst: order === ORDER['time'] && direction === undefined,
  };

  const page = useReads<Reads>(
    ['queries', instanceId, order, direction, url.db, url.user, url.q, url.level, url.monitoring],
    (range) => ({
      instance: `/instances/${instanceId}`,
      ranking: `/instances/${instanceId}/queries${queryString({
        ...between(range), limit: LIMIT, order, direction, database: url.db, user: url.user, search: url.q, toplevel, trend: true,
        monitoring: watching ? undefined : false,
      })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );

  const told = useTold(asked, page.outdated);
  const read = page.reads?.ranking;
  const ranking = read?.data ?? null;
  const { start, end } = page.range;
  const columns = useMemo(
    () =>
      rankingColumns({
        instanceId,
        unmeasured: ranking?.unmeasured ?? {},
        ranking,
        range: { start, end },
        zone,
        filter: (name, value) => change({ [name]: value }),
      }),
    [instanceId, ranking, start, end, zone, change],
  );
  const shown = useMemo(() => {
    const chosen = url.cols?.split(',') ?? DEFAULT_COLUMNS;
    return columns.filter((column) => column.id === 'query' || chosen.includes(column.id));
  }, [columns, url.cols]);
  const rows: Line[] = useMemo(() => ranking?.data ?? [], [ranking]);
  const reasons = new Map(
    shown.flatMap((column) => {
      const reason = ranking?.unmeasured[ORDER[column.id] ?? ''];
      return reason === undefined ? [] : [[reason.message, reason]];
    }),
  );

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Queries"
      title={ranking === null ? 'Queries' : heading(ranking, told)}
      fill
    >
      {read?.error !== null && read?.error !== undefined && (
        <ReadProblem what="queries" error={read.error} shownAt={read.at} retry={page.retry} />
      )}
      <Filters instance={page.reads?.instance.data ?? null} columns={columns} shown={shown} rows={rows} />
      {ranking !== null && <OfMonitoring ranking={ranking} shown={watching} toggle={() => change({ monitoring: watching ? undefined : 'show' })} />}
      {ranking !== null && <CoveredNotice covered={ranking.covered} />}
      {ranking !== null && <FlagNotices flags={ranking.flagged_intervals} />}
      {ranking?.shares_measurable === false && <Notice kind="note">Shares are not measurable here.</Notice>}
      {ranking?.shares_measurable === true && url.level === 'all' && (
        <Notice kind="note">
          Nested statements are counted inside their callers. Shares use top-level statements only.
        </Notice>
      )}
      {[...reasons.values()].map((reason) => (
        <CapabilityNotice key={reason.message} message={reason.message} fix={reason.fix} />
      ))}
      {ranking === null && page.reads === null && <div className={styles.skeleton} role="status" aria-label="Loading queries" />}
      {ranking !== null && (
        <DataTable
          label="Queries"
          columns={shown}
          rows={rows}
          rowKey={lineKey}
          sort={sort}
          onSort={(next) => change({ sort: writeSort(next, BY_TIME) })}
          onOpen={(line) => {
            if (line.others === true) return;
            void navigate({
              to: '/instances/$instanceId/queries/$queryid',
              params: { instanceId, queryid: line.queryid },
              search: (old: Search) => keepFilters(old),
            });
          }}
          pinned={asOthers(ranking.others)}
          outdated={page.outdated}
          empty={<EmptyRanking ranking={ranking} instance={page.reads?.instance.data ?? null} range={page.range} />}
          fill
        />
      )}
    </InstanceFrame>
  );
}

/** What the answer on the screen was asked for: while the next is on its way, not yet what the URL says. */
function useTold(asked: Asked, outdated: boolean): Asked {
  const [kept, setKept] = useState(asked);
  const same = kept.filtered === asked.filtered && kept.costliestFirst === asked.costliestFirst;
  // Adjusting state while rendering is React's own way to follow props without a second paint.
  if (!outdated && !same) setKept(asked);
  return outdated ? kept : asked;
}

/** What monitoring itself runs: left out unless it is asked for, and told either way. */
function OfMonitoring({ ranking, shown, toggle }: { ranking: Ranking; shown: boolean; toggle: () => void }) {
  const line = monitoringLine(ranking);
  if (line === null) return null;
  return (
    <p className={styles.monitoring}>
      {line}
      {shown ? ', shown:' : ':'} <Button quiet onClick={toggle}>{shown ? 'Hide' : 'Show'}</Button>
    </p>
  );
}
