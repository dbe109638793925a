import { useState } from 'react';
import { Link } from '@tanstack/react-router';
import type { InstanceSize, StoreSizes } from '../api/model';
import { Foreign } from '../format/Foreign';
import { bytes, count, exact } from '../format/number';
import { Missing, Num } from '../format/Num';
import { keepTime, type Search } from '../shell/search';
import type { Column, Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import styles from './StorePage.module.css';

const SHARED = 'Instances share tables: what each set takes is divided by the rows that were stored of each in the 30 days before the note. Names, texts and indexes of the system are nobody’s.';

const COLUMNS: Column<InstanceSize>[] = [
  {
    id: 'name', title: 'Instance', width: 180, grow: true, value: (one) => one.name,
    cell: (one) => (
      <Link to="/instances/$instanceId/overview" params={{ instanceId: String(one.instance_id) }} search={(old: Search) => keepTime(old)}>
        <Foreign text={one.name} />
      </Link>
    ),
  },
  { id: 'bytes', title: 'Share', help: SHARED, width: 110, numeric: true, unitSlot: 4, unit: 'bytes', value: (one) => one.bytes, cell: (one) => <Num figure={bytes(one.bytes)} hint={`${exact(one.bytes)} bytes`} /> },
  { id: 'rows', title: 'Rows', help: 'Estimated', width: 110, numeric: true, unitSlot: 2, value: (one) => one.rows, cell: (one) => (one.rows == null ? <Missing reason="PostgreSQL has not estimated them yet." /> : <Num figure={count(one.rows)} hint={`about ${exact(one.rows)} rows`} />) },
  { id: 'growth', title: 'Growth/day', width: 110, numeric: true, unitSlot: 4, unit: 'bytes', value: (one) => one.bytes_per_day, cell: (one) => (one.bytes_per_day == null ? <Missing reason="Not enough data: growth is told from the second daily note on." /> : <Num figure={bytes(one.bytes_per_day)} hint={`${exact(one.bytes_per_day)} bytes a day`} />) },
];

/** Whose measurements take how much. */
export function InstanceSizes({ sizes }: { sizes: StoreSizes }) {
  const [sort, setSort] = useState<Sort>({ id: 'bytes', descending: true });
  return (
    <>
      <p className={styles.quiet}>{SHARED}</p>
      <DataTable
        label="Sizes of instances"
        columns={COLUMNS}
        rows={sizes.instances}
        rowKey={(one) => String(one.instance_id)}
        sort={sort}
        onSort={setSort}
        empty="When sizes were noted last, no instance had whole hours of rows yet."
      />
    </>
  );
}
