import type { InstanceDetail } from '../api/model';
import { Chip, Choice, ColumnChooser, SearchField } from '../filters/Filter';
import styles from '../filters/Filter.module.css';
import { Copy } from '../notices/Copy';
import { Popover } from '../shell/Popover';
import { csv, type Column } from '../tables/column';
import { useChangeUrl, useUrl } from '../time/useTime';
import { DEFAULT_COLUMNS } from './columns';
import type { Line } from './ranking';

interface Props {
  instance: InstanceDetail | null;
  columns: Column<Line>[];
  shown: Column<Line>[];
  rows: Line[];
}

/** Search, the filters in force as chips, the columns, and a copy of what is shown. */
export function Filters({ instance, columns, shown, rows }: Props) {
  const url = useUrl();
  const change = useChangeUrl();
  const databases = instance?.databases.map((one) => one.name) ?? [];
  const users = [...new Set(rows.flatMap((row) => (row.others === true ? [] : row.user)))].sort();

  return (
    <div className={styles.filters}>
      <SearchField label="Search in statement texts" placeholder="Search in texts ( / )" />
      <Choice title="Database" chosen={url.db} options={databases} pick={(value) => change({ db: value })} />
      <Choice title="User" chosen={url.user} options={users} pick={(value) => change({ user: value })} />
      <Chip
        label="Top-level"
        on={url.level !== 'all'}
        hint="Nested statements are counted inside their callers."
        toggle={() => change({ level: url.level === 'all' ? undefined : 'all' })}
      />
      <span className={styles.rest} />
      <Copy text={() => csv(shown, rows)} what="of the table as CSV" label="Copy CSV" />
      <Popover label="Columns" title="Columns" align="end">
        <ColumnChooser columns={columns} defaults={DEFAULT_COLUMNS} />
      </Popover>
    </div>
  );
}
