import type { MeasuredSets } from '../api/model';
import { useReads } from '../api/useReads';
import { Missing } from '../format/Num';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useUrl } from '../time/useTime';
import styles from '../fleet/FleetPage.module.css';
import { catalogueHeading, catalogueRows, type CatalogueRow } from './catalogue';

interface Reads {
  catalog: MeasuredSets;
}

/** What is measured changes with the server's version only. */
const REFRESH_S = 300;
const BY_SET: Sort = { id: 'set', descending: false };

const COLUMNS: Column<CatalogueRow>[] = [
  { id: 'set', title: 'Set', width: 190, whole: true, value: (row) => row.set, cell: (row) => <code data-hint={row.about}>{row.set}</code> },
  { id: 'column', title: 'Column', width: 190, whole: true, value: (row) => row.column, cell: (row) => <code data-hint={row.help}>{row.column}</code> },
  { id: 'type', title: 'Type', width: 84, value: (row) => row.type, cell: (row) => row.type },
  { id: 'kind', title: 'Kind', help: 'counter: stored as its increment; gauge and state: of the moment; label: part of the key; info: stored on change', width: 80, value: (row) => row.kind, cell: (row) => row.kind },
  { id: 'unit', title: 'Unit', width: 110, value: (row) => row.unit, cell: (row) => row.unit ?? <Missing reason="It has no unit." /> },
  { id: 'since', title: 'Since version', whole: true, help: 'Of PostgreSQL, or of the extension that the set reads', width: 110, value: (row) => row.since, cell: (row) => row.since !== null ? <span data-hint={`${row.product} ${row.since}`}>{row.since}</span> : <Missing reason="It is not read from PostgreSQL, so no version is needed." /> },
  { id: 'interval', title: 'Every', width: 72, numeric: true, unit: 's', value: (row) => row.intervalSeconds, cell: (row) => (row.intervalSeconds === null ? <Missing reason="This server does not know the set's interval." /> : `${row.intervalSeconds} s`) },
  { id: 'group', title: 'Group', width: 120, value: (row) => row.group, cell: (row) => row.group ?? <Missing reason="A set of a collector's own." /> },
  { id: 'help', title: 'What', width: 240, grow: true, value: (row) => row.help, cell: (row) => <span data-hint={row.help}>{row.help}</span> },
];

export function CataloguePage() {
  const url = useUrl();
  const change = useChangeUrl();
  const page = useReads<Reads>(['catalog'], () => ({ catalog: '/catalog' }), () => REFRESH_S);
  const read = page.reads?.catalog;
  const all = read?.data == null ? null : catalogueRows(read.data);
  const search = url.q?.toLowerCase() ?? '';
  const rows = (all ?? []).filter((row) => `${row.set}.${row.column} ${row.help}`.toLowerCase().includes(search));
  const problem = read?.error ?? page.error;
  return (
    <PageFrame title={all === null ? 'Catalogue' : catalogueHeading(all)} name="Catalogue" fill>
      {problem !== null && <ReadProblem what="the catalogue" error={problem} shownAt={read?.at ?? 0} retry={page.retry} />}
      {all !== null && (
        <>
          <input
            className={styles.filter}
            type="search"
            aria-label="Search in sets, columns and their help"
            placeholder="Search"
            value={url.q ?? ''}
            onChange={(event) => change({ q: event.target.value || undefined }, true)}
          />
          <DataTable
            label="Catalogue"
            columns={COLUMNS}
            rows={rows}
            rowKey={(row) => `${row.set}.${row.column}`}
            sort={parseSort(url.sort, BY_SET)}
            onSort={(sort) => change({ sort: writeSort(sort, BY_SET) })}
            outdated={page.outdated}
            empty="Nothing that is measured matches."
            fill
          />
        </>
      )}
    </PageFrame>
  );
}
