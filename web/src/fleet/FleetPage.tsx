import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import { between, useReads } from '../api/useReads';
import type { Instance, Instances } from '../api/model';
import { Foreign } from '../format/Foreign';
import { InstanceLink } from '../instance/InstanceLink';
import { gravest } from '../instance/watched';
import { CapabilityNotice, Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { momentOf } from '../time/range';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { near } from '../time/zone';
import { fleetColumns } from './columns';
import { firstFew, fleetHeading, unread, worstFirst, type Unread } from './fleet';
import styles from './FleetPage.module.css';
import { HealthBadge } from './HealthBadge';

const REFRESH_S = 10;
const WORST_FIRST: Sort = { id: 'state', descending: true };

interface Reads {
  instances: Instances;
  retired: Instances;
}

export function FleetPage() {
  const url = useUrl();
  const change = useChangeUrl();
  const navigate = useNavigate();
  const page = useReads<Reads>(
    ['fleet'],
    (instants) => {
      const { start, end } = between(instants);
      const until = instants.untilNow === true ? undefined : end;
      return {
        instances: `/instances${queryString({ page_size: 100, start, end: until })}`,
        retired: `/instances${queryString({ page_size: 100, start, end: until, retired: true })}`,
      };
    },
    () => REFRESH_S,
  );
  const read = page.reads?.instances;
  const all = read?.data?.data;
  const filter = url.q?.toLowerCase() ?? '';
  const rows = all?.filter((one) => one.name.toLowerCase().includes(filter)) ?? [];
  const problem = read?.error ?? page.error;
  const { range, zone } = useTime();
  const moment = momentOf(range, Date.now());
  const columns = useMemo(() => fleetColumns(moment !== null), [moment]);

  return (
    <PageFrame title={all === undefined ? 'Fleet' : fleetHeading(all)} name="Fleet" fill>
      {problem !== null && <ReadProblem what="instances" error={problem} shownAt={read?.at ?? 0} retry={page.retry} />}
      {moment !== null && <Notice kind="note">As it was at {near(moment, zone, Date.now())}, the end of this range.</Notice>}
      {all !== undefined && <Reasons instances={worstFirst(all)} />}
      {all?.length !== 0 && (
        <input
          className={styles.filter}
          type="search"
          aria-label="Filter instances by name"
          placeholder="Filter by name"
          value={url.q ?? ''}
          onChange={(event) => change({ q: event.target.value || undefined }, url.q !== undefined && event.target.value !== '')}
        />
      )}
      {(all !== undefined || problem === null) && (
        <DataTable
          label="Instances"
          columns={columns}
          rows={rows}
          rowKey={(row) => String(row.id)}
          sort={parseSort(url.sort, WORST_FIRST)}
          onSort={(sort) => change({ sort: writeSort(sort, WORST_FIRST) })}
          onOpen={(row) =>
            void navigate({
              to: '/instances/$instanceId/overview',
              params: { instanceId: String(row.id) },
              search: (old: Search) => keepTime(old),
            })
          }
          empty={all === undefined ? null : <EmptyFleet filtered={all.length > 0} clear={() => change({ q: undefined })} />}
          fill
        />
      )}
      <Retired instances={page.reads?.retired.data?.data ?? []} />
      {unread(all ?? []).map((kind) => (
        <NotRead key={`${kind.message}/${kind.fix ?? ''}`} kind={kind} />
      ))}
    </PageFrame>
  );
}

/** What cannot be read and why, once however many instances it concerns. */
function NotRead({ kind }: { kind: Unread }) {
  const instances = firstFew(kind.instances);
  const things = firstFew(kind.things);
  const more = (rest: string[]) => rest.length > 0 && <span data-hint={rest.join(', ')} tabIndex={0}> and {rest.length} more</span>;
  return (
    <CapabilityNotice
      message={kind.message}
      fix={kind.fix}
      concerns={
        <span className={styles.concerns}>
          {instances.first.map((one, index) => (
            <span key={one.id}>
              {index > 0 && ', '}
              <InstanceLink instance={one} focusable />
            </span>
          ))}
          {more(instances.rest.map((one) => one.name))}, <code>{things.first.join(', ')}</code>
          {more(things.rest)}
        </span>
      }
    />
  );
}

/** What is wrong, in words: nobody has to point at a badge to learn it. */
function Reasons({ instances }: { instances: Instance[] }) {
  const { zone } = useTime();
  if (instances.length === 0) return null;
  return (
    <ul className={styles.reasons} aria-label="What needs somebody">
      {instances.map((one) => (
        <li key={one.id}>
          <HealthBadge instance={one} /> <InstanceLink instance={one} focusable />: <Foreign text={gravest(one, zone, Date.now())} lines />
        </li>
      ))}
    </ul>
  );
}

/** Those that were taken out of the fleet: their history can still be read. */
function Retired({ instances }: { instances: Instance[] }) {
  if (instances.length === 0) return null;
  return (
    <p className={styles.concerns}>
      Retired:{' '}
      {instances.map((one, index) => (
        <span key={one.id}>
          {index > 0 && ', '}
          <InstanceLink instance={one} focusable />
        </span>
      ))}
    </p>
  );
}

function EmptyFleet({ filtered, clear }: { filtered: boolean; clear: () => void }) {
  if (filtered) {
    return (
      <>
        No instance has this in its name. <button onClick={clear}>Clear filters</button>
      </>
    );
  }
  return (
    <>
      No instance yet. Start a collector beside PostgreSQL: <code>pganalytics collector run</code>
    </>
  );
}
