import { Link } from '@tanstack/react-router';
import type { TableRow, Unmeasured } from '../api/model';
import { Foreign } from '../format/Foreign';
import { average, bytes, coarse, count, exact, percent, rate, text, wholeUnit, type Figure } from '../format/number';
import { Missing, Num } from '../format/Num';
import { keepTime, type Search } from '../shell/search';
import { momentField, type Column } from '../tables/column';
import { exactMoment, type Zone } from '../time/zone';
import { autovacuumHint, autovacuumUrgency, growthFigure, isDue, lastAnalyze, lastVacuum, relationName, sizeFields, writes } from './relation';
import styles from './relations.module.css';

export const TABLE_DEFAULTS = [
  'table', 'size', 'growth', 'bloat', 'seq', 'idx', 'writes', 'hot', 'dead', 'vacuum', 'near', 'xid', 'database',
];

/** The API's field behind a column. */
export const TABLE_ORDER: Record<string, string> = {
  size: 'size_bytes', growth: 'growth_bytes', bloat: 'bloat_bytes', bloat_share: 'bloat_ratio', seq: 'seq_scans_per_s', idx: 'idx_scans_per_s',
  seq_rows: 'seq_rows_per_s', idx_rows: 'idx_rows_per_s',
  writes: 'writes_per_s', inserts: 'inserts_per_s', updates: 'updates_per_s', deletes: 'deletes_per_s', hot: 'hot_ratio',
  dead: 'dead_rows', dead_share: 'dead_ratio', live: 'live_rows', changed: 'changed_rows', vacuum: 'last_vacuum',
  analyze: 'last_analyze', near: 'autovacuum_share', xid: 'xid_age', mxid: 'mxid_age', own: 'table_bytes',
  indexes: 'indexes_bytes', toast: 'toast_bytes',
};

export interface TableContext {
  instanceId: string;
  unmeasured: Unmeasured;
  zone: Zone;
  now: number;
  unfold: (row: TableRow) => void;
}

interface Measure {
  id: string;
  title: string;
  help: string;
  width: number;
  unitSlot?: number;
  unit?: string;
  source: string;
  field: keyof TableRow;
  figure: (value: number) => Figure;
  /** Why there may be no value although the column is measured. */
  none?: string;
}

/** Why bloat of one relation may not be known although it is estimated. */
export const NO_BLOAT = 'Below 128 pages, not read yet, or a column has no statistics that the collector may see: it needs SELECT on the table, or pg_read_all_data.';
const TWO_READINGS = 'No two readings in this range.';
const MEASURES: Measure[] = [
  { id: 'size', title: 'Size', help: 'On disk, with indexes and TOAST', width: 80, unitSlot: 4, unit: 'bytes', source: 'relation_size', field: 'size_bytes', figure: bytes, none: 'Not read yet.' },
  { id: 'own', title: 'Rows only', help: 'On disk, without indexes and TOAST', width: 84, unitSlot: 4, unit: 'bytes', source: 'relation_size.main_bytes', field: 'table_bytes', figure: bytes, none: 'Not read yet.' },
  { id: 'indexes', title: 'Indexes', help: 'All its indexes on disk', width: 84, unitSlot: 4, unit: 'bytes', source: 'relation_size.indexes_bytes', field: 'indexes_bytes', figure: bytes, none: 'It has none, or they were not read yet.' },
  { id: 'toast', title: 'TOAST', help: 'Long values on disk', width: 84, unitSlot: 4, unit: 'bytes', source: 'relation_size.toast_bytes', field: 'toast_bytes', figure: bytes, none: 'It has no TOAST table.' },
  { id: 'bloat', title: 'Bloat', help: 'Beyond what its rows would fill, TOAST and indexes aside. Estimated from statistics, off by some percent where columns are padded\ngithub.com/ioguix/pgsql-bloat-estimation', width: 84, unitSlot: 4, unit: 'bytes', source: 'bloat', field: 'bloat_bytes', figure: bytes, none: NO_BLOAT },
  { id: 'bloat_share', title: 'Bloat %', help: 'That, of its pages', width: 76, unitSlot: 2, unit: 'ratio', source: 'bloat', field: 'bloat_ratio', figure: percent, none: NO_BLOAT },
  { id: 'seq', title: 'Seq/s', help: 'Sequential scans', width: 86, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.seq_scan', field: 'seq_scans_per_s', figure: (value) => rate(value), none: TWO_READINGS },
  { id: 'seq_rows', title: 'Seq rows/s', help: 'Rows read by sequential scans', width: 88, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.seq_tup_read', field: 'seq_rows_per_s', figure: (value) => rate(value), none: TWO_READINGS },
  { id: 'idx', title: 'Index/s', help: 'Index scans', width: 86, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.idx_scan', field: 'idx_scans_per_s', figure: (value) => rate(value), none: 'It has no index, or there are no two readings in this range.' },
  { id: 'idx_rows', title: 'Index rows/s', help: 'Rows fetched by index scans', width: 92, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.idx_tup_fetch', field: 'idx_rows_per_s', figure: (value) => rate(value), none: 'It has no index, or there are no two readings in this range.' },
  { id: 'inserts', title: 'Ins/s', help: 'Rows inserted', width: 84, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.n_tup_ins', field: 'inserts_per_s', figure: (value) => rate(value), none: TWO_READINGS },
  { id: 'updates', title: 'Upd/s', help: 'Rows updated', width: 84, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.n_tup_upd', field: 'updates_per_s', figure: (value) => rate(value), none: TWO_READINGS },
  { id: 'deletes', title: 'Del/s', help: 'Rows deleted', width: 84, unitSlot: 5, unit: '1/s', source: 'pg_stat_all_tables.n_tup_del', field: 'deletes_per_s', figure: (value) => rate(value), none: TWO_READINGS },
  { id: 'hot', title: 'HOT %', help: 'Updates that touched no index, of all updates', width: 72, unitSlot: 2, unit: 'ratio', source: 'pg_stat_all_tables.n_tup_hot_upd', field: 'hot_ratio', figure: percent, none: 'No row was updated in this range.' },
  { id: 'live', title: 'Live rows', help: 'Estimated', width: 84, unitSlot: 2, source: 'pg_stat_all_tables.n_live_tup', field: 'live_rows', figure: count },
  { id: 'changed', title: 'Changed rows', help: 'Since the last analyze, estimated', width: 96, unitSlot: 2, source: 'pg_stat_all_tables.n_mod_since_analyze', field: 'changed_rows', figure: count },
  { id: 'mxid', title: 'Multixact age', help: 'Multixacts since its oldest unfrozen one', width: 96, unitSlot: 2, source: 'pg_class.relminmxid', field: 'mxid_age', figure: count },
];

function measured(measure: Measure, context: TableContext): Column<TableRow> {
  const { id, title, help, width, unitSlot, unit, source, field, figure, none } = measure;
  const value = (row: TableRow) => row[field] as number | null | undefined;
  return {
    id, title, width, numeric: true, help: `${help}\n${source}`,
    ...(unitSlot === undefined ? {} : { unitSlot }),
    ...(unit === undefined ? {} : { unit }),
    value,
    ...(id === 'size' ? { copied: sizeFields(value) } : {}),
    cell: (row) => {
      const one = value(row);
      if (one == null) return <Missing reason={context.unmeasured[field]?.message ?? none ?? 'Not enough data.'} />;
      const estimate = id === 'size' && row.size_is_estimate;
      const hint = `${exact(one)}${unit === undefined ? '' : ` ${unit}`}\n${estimate ? 'Estimated: pages that the last vacuum or analyze counted, without TOAST' : source}${readAt(row, context.zone)}`;
      return <Num figure={estimate ? { ...figure(one), value: `≈ ${figure(one).value}` } : figure(one)} hint={hint} />;
    },
  };
}

function readAt(row: TableRow, zone: Zone): string {
  return row.read_at == null ? '' : `\nRead ${exactMoment(Date.parse(row.read_at), zone)}`;
}

/** Every column of the tables, in the order a reader wants them. */
export function tableColumns(context: TableContext): Column<TableRow>[] {
  const all = MEASURES.map((measure) => measured(measure, context));
  const at = (...ids: string[]) => ids.flatMap((id) => all.filter((column) => column.id === id));
  return [
    {
      id: 'table', title: 'Table', width: 124, grow: true,
      value: (row) => relationName(row, row.relid),
      cell: (row) => <TableName row={row} context={context} />,
    },
    ...at('size'),
    {
      id: 'growth', title: 'Growth', help: 'Over the range, or over the day before its end; per day where it is known of a day at least\nrelation_size', width: 96,
      numeric: true, unit: 'bytes', value: (row) => row.growth_bytes,
      cell: (row) => <Growth row={row} context={context} />,
    },
    ...at('bloat', 'bloat_share', 'own', 'indexes', 'toast', 'seq', 'seq_rows', 'idx', 'idx_rows'),
    {
      id: 'writes', title: 'Ins/Upd/Del/s', help: 'Rows inserted, updated and deleted\npg_stat_all_tables.n_tup_ins, n_tup_upd, n_tup_del', width: 124,
      numeric: true, value: writes,
      copied: [
        { title: 'Inserts', unit: '1/s', value: (row) => row.inserts_per_s },
        { title: 'Updates', unit: '1/s', value: (row) => row.updates_per_s },
        { title: 'Deletes', unit: '1/s', value: (row) => row.deletes_per_s },
      ],
      cell: (row) => <Writes row={row} context={context} />,
    },
    ...at('inserts', 'updates', 'deletes', 'hot'),
    {
      id: 'hit', title: 'Hit %', help: 'Blocks found in shared_buffers, of those wanted, indexes and TOAST included\npg_statio_all_tables', width: 66,
      numeric: true, unitSlot: 2, unit: 'ratio', value: hitRatio,
      cell: (row) => {
        const ratio = hitRatio(row);
        if (ratio === null) return <Missing reason={context.unmeasured['blks_hit']?.message ?? 'No block was wanted in this range.'} />;
        return <Num figure={percent(ratio)} hint={`${exact(row.blks_hit ?? 0)} blocks found, ${exact(row.blks_read ?? 0)} read\npg_statio_all_tables`} />;
      },
    },
    ...at('live'),
    {
      id: 'dead', title: 'Dead', help: 'Dead rows and their share, estimated\npg_stat_all_tables.n_dead_tup', width: 108,
      numeric: true, value: (row) => row.dead_rows,
      cell: (row) => <Dead row={row} context={context} />,
    },
    ...at('changed'),
    when('vacuum', 'Last vacuum', 'By hand or by autovacuum', 'last_vacuum', lastVacuum, context),
    when('analyze', 'Last analyze', 'By hand or by autovacuum', 'last_analyze', lastAnalyze, context),
    {
      id: 'near', title: 'To autovac.', help: 'How far the way to the next autovacuum is gone; above 100 % it is waited for',
      width: 96, numeric: true, unitSlot: 2, unit: 'ratio',
      value: autovacuumUrgency,
      copied: [{ title: 'To autovacuum', unit: 'ratio', value: (row) => (row.autovacuum?.enabled === false ? 'off' : row.autovacuum?.share) }],
      cell: (row) =>
        row.autovacuum == null ? (
          <Missing reason={context.unmeasured['autovacuum']?.message ?? 'Settings or dead rows were not read yet.'} />
        ) : (
          <span className={styles.near} data-due={isDue(row)}>
            <Num figure={row.autovacuum.enabled ? percent(row.autovacuum.share) : { value: 'off', unit: '' }} hint={autovacuumHint(row)} />
          </span>
        ),
    },
    {
      id: 'xid', title: 'XID age', help: 'Transactions since its oldest unfrozen row, and the share of what is possible\npg_class.relfrozenxid',
      width: 84, numeric: true, value: (row) => row.xid_age,
      cell: (row) =>
        row.xid_age == null || row.xid_age_ratio == null ? (
          <Missing reason={context.unmeasured['xid_age']?.message ?? 'Not read yet.'} />
        ) : (
          <Num loose figure={{ value: `${text(count(row.xid_age))}${row.xid_age_ratio < 0.001 ? '' : ` · ${text(percent(row.xid_age_ratio))}`}`, unit: '' }} hint={`${exact(row.xid_age)} transactions, ${exact(row.xid_age_ratio * 100)} % of 2³¹`} />
        ),
    },
    ...at('mxid'),
    { id: 'database', title: 'Database', width: 76, value: (row) => row.database, cell: (row) => <span className={styles.name} data-hint={`oid ${row.datid}`}><Foreign text={row.database} /></span> },
  ];
}

function TableName({ row, context }: { row: TableRow; context: TableContext }) {
  const name = relationName(row, row.relid);
  const search = (old: Search) => ({ ...keepTime(old), db: row.database, table: String(row.relid) });
  return (
    <span className={styles.name}>
      <Link
        to="/instances/$instanceId/indexes"
        params={{ instanceId: context.instanceId }}
        search={search}
        tabIndex={-1}
        data-hint={`Indexes of ${name}\noid ${row.relid}${row.unlogged ? '\nUnlogged: a crash empties it' : ''}`}
      >
        <Foreign text={name} />
      </Link>{' '}
      {row.partitions != null && (
        <button type="button" className={styles.pick} tabIndex={-1} data-hint="Show each partition" onClick={() => context.unfold(row)}>
          {text(count(row.partitions))} {row.partitions === 1 ? 'partition' : 'partitions'}
        </button>
      )}
      {row.kind === 'materialized_view' && <span className={styles.quiet}>materialized view</span>}
    </span>
  );
}

function hitRatio(row: TableRow): number | null {
  if (row.blks_hit == null || row.blks_read == null || row.blks_hit + row.blks_read === 0) return null;
  return row.blks_hit / (row.blks_hit + row.blks_read);
}

function Writes({ row, context }: { row: TableRow; context: TableContext }) {
  if (writes(row) === null) return <Missing reason={context.unmeasured['inserts_per_s']?.message ?? TWO_READINGS} />;
  const parts = [row.inserts_per_s, row.updates_per_s, row.deletes_per_s];
  const short = parts.map((one) => (one == null ? '–' : one > 0 && one < 0.05 ? '< 0.1' : text(average(Math.round(one * 10) / 10))));
  const named = ['inserted', 'updated', 'deleted'].map((word, nth) => `${parts[nth] == null ? '–' : exact(parts[nth])} /s ${word}`);
  return <Num loose figure={{ value: short.join(' / '), unit: '' }} hint={[...named, 'pg_stat_all_tables'].join('\n')} />;
}

function Dead({ row, context }: { row: TableRow; context: TableContext }) {
  if (row.dead_rows == null) return <Missing reason={context.unmeasured['dead_rows']?.message ?? 'Not read yet.'} />;
  const share = row.dead_ratio == null || row.dead_rows === 0 ? '' : ` · ${text(percent(row.dead_ratio))}`;
  const live = row.live_rows == null ? '' : `\n${exact(row.live_rows)} live rows`;
  return <Num loose figure={{ value: `${text(count(row.dead_rows))}${share}`, unit: '' }} hint={`${exact(row.dead_rows)} dead rows, estimated${live}${readAt(row, context.zone)}`} />;
}

function Growth({ row, context }: { row: TableRow; context: TableContext }) {
  const figure = growthFigure(row);
  if (figure === null) return <Missing reason={context.unmeasured['growth_bytes']?.message ?? 'Growth needs two sizes, and was read once.'} />;
  const known = `${exact(row.growth_bytes ?? 0)} bytes in ${text(coarse(row.growth_ms ?? 0))}`;
  return <Num loose figure={figure} hint={`${known}\nrelation_size`} />;
}

function when(
  id: string,
  title: string,
  help: string,
  field: string,
  last: (row: TableRow) => { at: number; auto: boolean } | null,
  context: TableContext,
): Column<TableRow> {
  return {
    id, title, help, width: 104, numeric: true,
    value: (row) => last(row)?.at,
    copied: [momentField(title, (row) => last(row)?.at), { title: `${title} by`, value: (row) => (last(row) === null ? null : last(row)?.auto === true ? 'autovacuum' : 'hand') }],
    cell: (row) => {
      const one = last(row);
      if (one === null) return <Missing reason={context.unmeasured[field]?.message ?? 'Never, since its statistics began.'} />;
      const age = text(wholeUnit(Math.max(1000, context.now - one.at)));
      return <Num loose figure={{ value: `${age} · ${one.auto ? 'auto' : 'hand'}`, unit: '' }} hint={`${exactMoment(one.at, context.zone)}, ${one.auto ? 'by autovacuum' : 'by hand'}`} />;
    },
  };
}
