import type { Slot, Unmeasured } from '../api/model';
import { Foreign } from '../format/Foreign';
import { bytes, count, exact, type Figure } from '../format/number';
import { Missing, Num } from '../format/Num';
import type { Column } from '../tables/column';

interface Measure {
  id: string;
  title: string;
  width: number;
  unit: string;
  source: string;
  reason: string;
  figure: (value: number) => Figure;
  value: (row: Slot) => number | null | undefined;
}

const MEASURES: Measure[] = [
  { id: 'slot_retained', title: 'Retained', width: 104, unit: 'bytes', source: 'restart_lsn', reason: 'It reserves no WAL.', figure: bytes, value: (row) => row.retained_bytes },
  { id: 'slot_safe', title: 'Safe', width: 104, unit: 'bytes', source: 'safe_wal_size', reason: 'max_slot_wal_keep_size does not limit it, or its WAL is lost.', figure: bytes, value: (row) => row.safe_wal_size },
  { id: 'slot_xmin', title: 'xmin age', width: 104, unit: 'transactions', source: 'xmin', reason: 'It holds back no cleaning up.', figure: count, value: (row) => row.xmin_age },
  { id: 'slot_catalog_xmin', title: 'Catalog xmin age', width: 136, unit: 'transactions', source: 'catalog_xmin', reason: 'It holds back no cleaning up of catalogs.', figure: count, value: (row) => row.catalog_xmin_age },
];

/** `logical · pgoutput · shop` */
function kind(row: Slot): string {
  return [row.slot_type, row.plugin, row.database, row.temporary === true ? 'temporary' : null].filter((part) => part != null).join(' · ');
}

/** What is wrong with a slot that is of no use any more. */
function state(row: Slot): string | null {
  return row.invalidation_reason ?? row.wal_status ?? null;
}

export function slotColumns(unmeasured: Unmeasured): Column<Slot>[] {
  const measured = MEASURES.map(({ id, title, width, unit, source, reason, figure, value }): Column<Slot> => ({
    id, title, width, unit, numeric: true, unitSlot: 4, value,
    help: `pg_replication_slots.${source}`,
    cell: (row) => {
      const one = value(row);
      if (one == null) return <Missing reason={unmeasured[source]?.message ?? reason} />;
      return <Num figure={figure(one)} hint={`${exact(one)} ${unit}\npg_replication_slots.${source}${row.restart_lsn == null ? '' : `\nrestart_lsn ${row.restart_lsn}`}`} />;
    },
  }));
  return [
    { id: 'slot_name', title: 'Slot', width: 150, grow: true, value: (row) => row.slot_name, cell: (row) => <span data-hint={row.slot_name}><Foreign text={row.slot_name} /></span> },
    {
      id: 'slot_type', title: 'Type', width: 160, value: (row) => row.slot_type,
      cell: (row) => <span data-hint={kind(row)}><Foreign text={kind(row)} /></span>,
    },
    {
      id: 'slot_active', title: 'Active', width: 84, value: (row) => row.active,
      cell: (row) => (row.active == null ? <Missing reason="Not readable." /> : <span data-hint={row.active_pid == null ? 'Nobody uses it.' : `process ${row.active_pid}`}>{row.active ? 'yes' : 'no'}</span>),
    },
    ...measured.slice(0, 1),
    {
      id: 'slot_status', title: 'WAL status', width: 116, value: state, help: 'pg_replication_slots.wal_status, or why it was invalidated',
      cell: (row) => state(row) ?? <Missing reason={unmeasured['wal_status']?.message ?? 'It reserves no WAL.'} />,
    },
    ...measured.slice(1),
  ];
}
