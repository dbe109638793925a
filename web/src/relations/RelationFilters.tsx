import type { ReactNode } from 'react';
import { Chip, Choice, ColumnChooser, SearchField } from '../filters/Filter';
import styles from '../filters/Filter.module.css';
import { Copy } from '../notices/Copy';
import { Popover } from '../shell/Popover';
import { csv, type Column } from '../tables/column';
import { useChangeUrl, useUrl } from '../time/useTime';

interface Props<Row> {
  databases: string[];
  schemas: string[];
  /** Filters of the page's own. */
  children?: ReactNode;
  /** Whose partitions or indexes are shown. */
  table: string | null;
  columns: Column<Row>[];
  shown: Column<Row>[];
  defaults: string[];
  rows: Row[];
}

/** Search, database, schema, partitions, and what the page adds. */
export function RelationFilters<Row>({ databases, schemas, children, table, columns, shown, defaults, rows }: Props<Row>) {
  const url = useUrl();
  const change = useChangeUrl();
  return (
    <div className={styles.filters}>
      <SearchField label="Search in names" placeholder="Search in names ( / )" />
      <Choice title="Database" chosen={url.db} options={databases} pick={(value) => change({ db: value, table: undefined })} />
      <Choice title="Schema" chosen={url.schema} options={schemas} pick={(value) => change({ schema: value })} />
      {children}
      <Chip
        label="Partitions"
        on={url.partitions === 'list'}
        hint="Each partition by itself; else summed under the topmost table."
        toggle={() => change({ partitions: url.partitions === 'list' ? undefined : 'list' })}
      />
      {table !== null && <Chip label={`Of ${table}`} on toggle={() => change({ table: undefined })} />}
      <span className={styles.rest} />
      <Copy text={() => csv(shown, rows)} what="of the table as CSV" label="Copy CSV" />
      <Popover label="Columns" title="Columns" align="end">
        <ColumnChooser columns={columns} defaults={defaults} />
      </Popover>
    </div>
  );
}
