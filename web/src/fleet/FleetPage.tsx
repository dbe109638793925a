import { useNavigate } from '@tanstack/react-router';
import { useReads } from '../api/useReads';
import type { Instance, Instances } from '../api/model';
import { CapabilityNotice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useUrl } from '../time/useTime';
import { FLEET_COLUMNS } from './columns';
import styles from './FleetPage.module.css';

const REFRESH_S = 10;
const WORST_FIRST: Sort = { id: 'state', descending: true };

interface Reads {
  instances: Instances;
}

/** `4 instances, 1 critical` */
export function fleetHeading(instances: Instance[]): string {
  const parts = [`${instances.length} ${instances.length === 1 ? 'instance' : 'instances'}`];
  const of = (state: Instance['state']) => instances.filter((one) => one.state === state).length;
  if (of('critical') > 0) parts.push(`${of('critical')} critical`);
  if (of('warning') > 0) parts.push(`${of('warning')} warning`);
  if (of('no_data') > 0) parts.push(`${of('no_data')} without data`);
  if (parts.length === 1 && instances.length > 0) parts.push(instances.length === 1 ? 'healthy' : 'all healthy');
  return parts.join(', ');
}

export function FleetPage() {
  const url = useUrl();
  const change = useChangeUrl();
  const navigate = useNavigate();
  const page = useReads<Reads>(
    ['fleet'],
    () => ({ instances: '/instances?page_size=100' }),
    () => REFRESH_S,
  );
  const read = page.reads?.instances;
  const all = read?.data?.data;
  const filter = url.q?.toLowerCase() ?? '';
  const rows = all?.filter((one) => one.name.toLowerCase().includes(filter)) ?? [];
  const problem = read?.error ?? page.error;

  return (
    <PageFrame title={all === undefined ? 'Fleet' : fleetHeading(all)} name="Fleet" fill>
      {problem !== null && <ReadProblem what="instances" error={problem} shownAt={read?.at ?? 0} retry={page.retry} />}
      {all?.length !== 0 && (
        <input
          className={styles.filter}
          type="search"
          aria-label="Filter instances by name"
          placeholder="Filter by name"
          value={url.q ?? ''}
          onChange={(event) => change({ q: event.target.value || undefined }, true)}
        />
      )}
      {(all !== undefined || problem === null) && (
        <DataTable
          label="Instances"
          columns={FLEET_COLUMNS}
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
      {all?.flatMap((one) =>
        one.not_readable.map((missing) => (
          <CapabilityNotice
            key={`${one.id}/${missing.set}/${missing.column ?? ''}`}
            message={`${missing.message} On ${one.name}:`}
            fix={missing.fix}
          />
        )),
      )}
    </PageFrame>
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
