import { Link, useNavigate } from '@tanstack/react-router';
import { queryString } from '../api/client';
import type { Collector, Collectors } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { Missing } from '../format/Num';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { momentField, parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { near, type Zone } from '../time/zone';
import { collectorsHeading, following, followText, labelsText } from './steering';
import styles from '../versioned/versioned.module.css';

interface Reads {
  collectors: Collectors;
}

const REFRESH_S = 10;
const BY_NAME: Sort = { id: 'name', descending: false };
const FOLLOWS = {
  nothing: 'Nothing is written for it on the server.',
  newest: 'It follows the newest version.',
  'not yet': 'It has not taken the newest version yet.',
  refused: 'It refused the newest version.',
} as const;

function seenAt(row: Collector): number | null {
  return row.last_seen == null ? null : Date.parse(row.last_seen);
}

function columns(zone: Zone): Column<Collector>[] {
  return [
    {
      id: 'name',
      title: 'Collector',
      width: 160,
      value: (row) => row.name,
      cell: (row) => (
        <Link to="/collectors/$collectorId" params={{ collectorId: row.id }} search={(old: Search) => keepTime(old)}>
          <Foreign text={row.name} />
        </Link>
      ),
    },
    { id: 'status', title: 'Status', width: 90, whole: true, value: (row) => row.status, cell: (row) => row.status },
    {
      id: 'config',
      title: 'Follows',
      help: 'Which version of its configuration, of which newest one',
      width: 90,
      whole: true,
      value: (row) => row.config_in_force ?? null,
      cell: (row) => <span data-hint={FOLLOWS[following(row)]}>{followText(row)}</span>,
    },
    { id: 'error', title: 'Why not', help: 'Why it does not follow its newest configuration', width: 200, grow: true, value: (row) => row.config_error ?? null, cell: (row) => (row.config_error == null ? '' : <Foreign text={row.config_error} lines />) },
    { id: 'labels', title: 'Labels', width: 160, value: (row) => labelsText(row.labels), cell: (row) => <Foreign text={labelsText(row.labels)} /> },
    { id: 'instances', title: 'Instances', width: 84, numeric: true, value: (row) => row.instances ?? null, cell: (row) => (row.instances == null ? <Missing reason="The store of measurements does not answer." /> : String(row.instances)) },
    { id: 'host', title: 'Host', width: 140, value: (row) => row.hostname, cell: (row) => <Foreign text={row.hostname} /> },
    { id: 'version', title: 'Version', width: 80, value: (row) => row.version ?? null, cell: (row) => <Foreign text={row.version ?? '–'} /> },
    {
      id: 'seen',
      title: 'Last heard',
      width: 110,
      value: seenAt,
      copied: [momentField('Last heard', seenAt)],
      cell: (row) => {
        const at = seenAt(row);
        return at === null ? <Missing reason="It has not been heard from yet." /> : near(at, zone, Date.now());
      },
    },
  ];
}

/** Which collectors there are, and which of them do what the server says. */
export function CollectorsPage() {
  const url = useUrl();
  const change = useChangeUrl();
  const navigate = useNavigate();
  const { zone } = useTime();
  const page = useReads<Reads>(['collectors'], () => ({ collectors: `/collectors${queryString({ page_size: 100 })}` }), () => REFRESH_S);
  const read = page.reads?.collectors;
  const all = read?.data?.data;
  const filter = url.q?.toLowerCase() ?? '';
  const rows = all?.filter((one) => `${one.name} ${labelsText(one.labels)}`.toLowerCase().includes(filter)) ?? [];
  const problem = read?.error ?? page.error;
  const more = (read?.data?.total ?? 0) - (all?.length ?? 0);
  return (
    <PageFrame title={all === undefined ? 'Collectors' : collectorsHeading(all)} name="Collectors" fill>
      {problem !== null && <ReadProblem what="collectors" error={problem} shownAt={read?.at ?? 0} retry={page.retry} />}
      <div className={styles.row}>
        <input
          type="search"
          aria-label="Filter collectors by name or label"
          placeholder="Filter by name or label"
          value={url.q ?? ''}
          onChange={(event) => change({ q: event.target.value || undefined }, url.q !== undefined && event.target.value !== '')}
        />
        <Link to="/templates" search={(old: Search) => keepTime(old)}>
          Templates
        </Link>
        <Link to="/custom-sets" search={(old: Search) => keepTime(old)}>
          Custom sets
        </Link>
      </div>
      {more > 0 && <p className={styles.quiet}>The first {all?.length} by name; {more} more are there.</p>}
      {(all !== undefined || problem === null) && (
        <DataTable
          label="Collectors"
          columns={columns(zone)}
          rows={rows}
          rowKey={(row) => row.id}
          sort={parseSort(url.sort, BY_NAME)}
          onSort={(sort) => change({ sort: writeSort(sort, BY_NAME) })}
          onOpen={(row) => void navigate({ to: '/collectors/$collectorId', params: { collectorId: row.id }, search: (old: Search) => keepTime(old) })}
          empty={all === undefined ? null : all.length === 0 ? 'No collector has registered yet.' : 'No collector matches.'}
          fill
        />
      )}
    </PageFrame>
  );
}
