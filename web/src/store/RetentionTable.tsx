import { useMemo, useState } from 'react';
import { bytes, exact } from '../format/number';
import { Missing, Num } from '../format/Num';
import { type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useUrl } from '../time/useTime';
import { day, type Zone } from '../time/zone';
import { tierName, type KeptLine } from './store';
import styles from './StorePage.module.css';

interface Props {
  lines: KeptLine[];
  zone: Zone;
  choose: (line: KeptLine) => void;
  outdated: boolean;
}

function columns(zone: Zone): Column<KeptLine>[] {
  const size = (value: number) => <Num figure={bytes(value)} hint={`${exact(value)} bytes`} />;
  return [
    { id: 'set', title: 'Set', width: 210, whole: true, value: (line) => line.set, cell: (line) => <code data-hint={line.shared ? 'Explains the rows of all sets: kept as long as those of any.' : undefined}>{line.set}</code> },
    { id: 'tier', title: 'Tier', width: 90, whole: true, value: (line) => ['raw', '5m', '1h', '1d'].indexOf(line.kept.tier), cell: (line) => tierName(line.kept.tier) },
    { id: 'days', title: 'Days', width: 76, numeric: true, value: (line) => line.kept.days, cell: (line) => (line.kept.days === line.kept.default_days ? String(line.kept.days) : <strong data-hint={`The default is ${line.kept.default_days}.`}>{line.kept.days}</strong>) },
    { id: 'default', title: 'Default', width: 76, numeric: true, value: (line) => line.kept.default_days, cell: (line) => String(line.kept.default_days) },
    { id: 'size', title: 'Size', help: 'On the disk, with indexes', width: 100, numeric: true, unitSlot: 4, unit: 'bytes', value: (line) => line.kept.bytes, cell: (line) => size(line.kept.bytes) },
    { id: 'growth', title: 'Growth/day', width: 100, numeric: true, unitSlot: 4, unit: 'bytes', value: (line) => line.growth, cell: (line) => (line.growth === null ? <Missing reason="Not enough data: growth is told from the second daily note on." /> : size(line.growth)) },
    { id: 'goes', title: 'To go', help: 'Past its days; it is dropped when its tiers are made', width: 100, numeric: true, unitSlot: 4, unit: 'bytes', value: (line) => line.kept.expired_bytes, cell: (line) => size(line.kept.expired_bytes) },
    { id: 'partitions', title: 'Partitions', width: 84, numeric: true, value: (line) => line.kept.partitions, cell: (line) => String(line.kept.partitions) },
    { id: 'oldest', title: 'Oldest ends', width: 110, grow: true, value: (line) => line.kept.oldest_end, cell: (line) => (line.kept.oldest_end == null ? <Missing reason="There is no partition yet." /> : day(Date.parse(line.kept.oldest_end), zone)) },
  ];
}

/** How long each tier of each set is kept. */
export function RetentionTable({ lines, zone, choose, outdated }: Props) {
  const url = useUrl();
  const change = useChangeUrl();
  const [sort, setSort] = useState<Sort>({ id: 'size', descending: true });
  const shown = useMemo(() => columns(zone), [zone]);
  const search = url.q?.toLowerCase() ?? '';
  const rows = lines.filter((line) => line.set.toLowerCase().includes(search));
  return (
    <>
      <input
        className={styles.search}
        type="search"
        aria-label="Search in sets"
        placeholder="Search in sets"
        value={url.q ?? ''}
        onChange={(event) => change({ q: event.target.value || undefined }, true)}
      />
      <div className={styles.tall}>
        <DataTable
          label="Retention"
          columns={shown}
          rows={rows}
          rowKey={(line) => `${line.set}/${line.kept.tier}`}
          sort={sort}
          onSort={setSort}
          onOpen={(line) => {
            if (!line.shared) choose(line);
          }}
          outdated={outdated}
          empty="No set matches."
          fill
        />
      </div>
    </>
  );
}
