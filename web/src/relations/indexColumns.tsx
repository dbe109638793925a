import type { IndexRow, Unmeasured } from '../api/model';
import { Foreign } from '../format/Foreign';
import { bytes, coarse, count, exact, percent, rate, text } from '../format/number';
import { Missing, Num } from '../format/Num';
import { Copy } from '../notices/Copy';
import { momentField, type Column } from '../tables/column';
import { exactMoment, type Zone } from '../time/zone';
import { definition, dropStatement, GRAVITY, relationName, scansSince, sizeFields } from './relation';
import styles from './relations.module.css';
import { NO_BLOAT } from './tableColumns';

export const INDEX_DEFAULTS = [
  'finding', 'index', 'table', 'size', 'bloat', 'scans', 'scans_s', 'rows', 'needed', 'definition', 'database', 'fix',
];

/** The API's field behind a column. */
export const INDEX_ORDER: Record<string, string> = {
  finding: 'finding', size: 'size_bytes', bloat: 'bloat_bytes', bloat_share: 'bloat_ratio', scans: 'scans', scans_s: 'scans_per_s', rows: 'rows_read_per_s',
  fetched: 'rows_fetched_per_s', last: 'last_scan',
};

const FINDINGS = {
  invalid: { sign: '■', word: 'Invalid' },
  duplicate: { sign: '▲', word: 'Duplicate' },
  unused: { sign: '▲', word: 'Unused' },
} as const;

export interface IndexContext {
  unmeasured: Unmeasured;
  zone: Zone;
  now: number;
  unusedAfterDays: number;
}

/** Every column of the indexes, in the order a reader wants them. */
export function indexColumns(context: IndexContext): Column<IndexRow>[] {
  const why = (field: string, otherwise: string) => context.unmeasured[field]?.message ?? otherwise;
  const perSecond = (id: string, title: string, help: string, source: string, field: 'scans_per_s' | 'rows_read_per_s' | 'rows_fetched_per_s'): Column<IndexRow> => ({
    id, title, help: `${help}\npg_stat_all_indexes.${source}`, width: 92, numeric: true, unitSlot: 5, unit: '1/s',
    value: (row) => row[field],
    cell: (row) => {
      const value = row[field];
      if (value == null) return <Missing reason={why(field, 'No two readings in this range.')} />;
      return <Num figure={rate(value)} hint={`${exact(value)} /s\npg_stat_all_indexes.${source}`} />;
    },
  });
  const bloated = (id: string, title: string, help: string, field: 'bloat_bytes' | 'bloat_ratio'): Column<IndexRow> => ({
    id, title, help: `${help}\nbloat`, width: 84, numeric: true, unitSlot: 4, unit: field === 'bloat_bytes' ? 'bytes' : 'ratio',
    value: (row) => row[field],
    cell: (row) => {
      const value = row[field];
      if (value == null) return <Missing reason={why(field, NO_BLOAT)} />;
      return <Num figure={field === 'bloat_bytes' ? bytes(value) : percent(value)} hint={`${exact(value)}\n${help}`} />;
    },
  });
  return [
    {
      id: 'finding', title: 'Finding', width: 112,
      help: `Invalid, duplicate, or unused for ${context.unusedAfterDays} days`,
      value: (row) => GRAVITY[row.finding ?? ''] ?? 0,
      copied: [{ title: 'Finding', value: (row) => row.finding }],
      cell: (row) => <FindingBadge row={row} context={context} />,
    },
    {
      id: 'index', title: 'Index', width: 190, grow: true,
      value: (row) => relationName(row, row.indexrelid),
      cell: (row) => (
        <span className={styles.name} data-hint={`oid ${row.indexrelid}`}>
          <Foreign text={relationName(row, row.indexrelid)} />{' '}
          {row.partitions != null && <span className={styles.quiet}>{text(count(row.partitions))} {row.partitions === 1 ? 'partition' : 'partitions'}</span>}
        </span>
      ),
    },
    {
      id: 'table', title: 'Table', width: 104, value: (row) => row.table,
      cell: (row) => (row.table == null ? <Missing reason="Names were not read yet." /> : <span className={styles.name} data-hint={row.table}><Foreign text={row.table} /></span>),
    },
    {
      id: 'size', title: 'Size', help: 'On disk\nrelation_size', width: 84, numeric: true, unitSlot: 4, unit: 'bytes',
      value: (row) => row.size_bytes,
      copied: sizeFields((row) => row.size_bytes),
      cell: (row) => {
        if (row.size_bytes == null) return <Missing reason={why('size_bytes', 'Not read yet.')} />;
        const figure = bytes(row.size_bytes);
        const hint = `${exact(row.size_bytes)} bytes\n${row.size_is_estimate ? 'Estimated: pages that the last vacuum or analyze counted' : 'relation_size'}`;
        return <Num figure={row.size_is_estimate ? { ...figure, value: `≈ ${figure.value}` } : figure} hint={hint} />;
      },
    },
    bloated('bloat', 'Bloat', 'Beyond what its entries would fill. Estimated from statistics, off by some percent where columns are padded\ngithub.com/ioguix/pgsql-bloat-estimation', 'bloat_bytes'),
    bloated('bloat_share', 'Bloat %', 'That, of its pages', 'bloat_ratio'),
    {
      id: 'scans', title: 'Scans since', help: 'Scans, and for how long they are counted or known to be none\npg_stat_all_indexes.idx_scan', width: 106, numeric: true,
      value: (row) => row.scans,
      copied: [{ title: 'Scans', value: (row) => row.scans }, momentField('Scans since', scansSince)],
      cell: (row) => <Scans row={row} context={context} />,
    },
    perSecond('scans_s', 'Scans/s', 'Scans in the range', 'idx_scan', 'scans_per_s'),
    perSecond('rows', 'Rows/s', 'Entries that scans returned', 'idx_tup_read', 'rows_read_per_s'),
    perSecond('fetched', 'Fetched/s', 'Rows of the table fetched by simple scans', 'idx_tup_fetch', 'rows_fetched_per_s'),
    {
      id: 'last', title: 'Last scan', help: 'pg_stat_all_indexes.last_idx_scan', width: 112, numeric: true,
      value: (row) => (row.last_scan == null ? null : Date.parse(row.last_scan)),
      copied: [momentField('Last scan', (row) => (row.last_scan == null ? null : Date.parse(row.last_scan)))],
      cell: (row) =>
        row.last_scan == null ? (
          <Missing reason={why('last_scan', 'Never, since its statistics began.')} />
        ) : (
          <Num loose figure={coarse(Math.max(1000, context.now - Date.parse(row.last_scan)))} hint={exactMoment(Date.parse(row.last_scan), context.zone)} />
        ),
    },
    {
      id: 'needed', title: 'Unique', help: 'Unique indexes, and what else depends on one', width: 130,
      value: (row) => row.needed_for ?? '',
      cell: (row) => <span className={styles.name} data-hint={row.needed_for == null ? 'Nothing depends on it.' : `It is needed: ${row.needed_for}.`}><Foreign text={row.needed_for ?? 'no'} /></span>,
    },
    {
      id: 'definition', title: 'Definition', width: 150, value: definition,
      cell: (row) => {
        const text = definition(row);
        return text === null ? <Missing reason="Names were not read yet." /> : <code className={styles.definition} data-hint={text}><Foreign text={text} /></code>;
      },
    },
    { id: 'database', title: 'Database', width: 76, value: (row) => row.database, cell: (row) => <span className={styles.name} data-hint={`oid ${row.datid}`}><Foreign text={row.database} /></span> },
    {
      id: 'fix', title: 'SQL', help: 'The statement that drops it, to copy', width: 92,
      cell: (row) => {
        const sql = dropStatement(row);
        return sql === null ? null : <Copy text={sql} what={`the statement that drops ${row.name ?? 'it'}`} label="Copy drop" />;
      },
    },
  ];
}

function FindingBadge({ row, context }: { row: IndexRow; context: IndexContext }) {
  if (row.finding == null) {
    const reason = context.unmeasured['finding']?.message;
    return reason === undefined ? <span className={styles.quiet} data-hint={row.message ?? 'Nothing was found.'}>none</span> : <Missing reason={reason} />;
  }
  const { sign, word } = FINDINGS[row.finding];
  const needed = row.needed_for == null ? '' : `\nIt is needed: ${row.needed_for}.`;
  return (
    <span className={styles.finding} data-finding={row.finding} data-hint={`${row.message ?? word}${needed}`}>
      <span aria-hidden="true">{sign}</span> {word}
    </span>
  );
}

function Scans({ row, context }: { row: IndexRow; context: IndexContext }) {
  if (row.scans == null) return <Missing reason={context.unmeasured['scans']?.message ?? 'Not read yet.'} />;
  const since = scansSince(row);
  const age = since === null ? '' : ` in ${text(coarse(Math.max(1000, context.now - since)))}`;
  const hint = since === null ? 'Since its statistics began; they were never reset.' : `Since ${exactMoment(since, context.zone)}`;
  return <Num loose figure={{ value: `${text(count(row.scans))}${age}`, unit: '' }} hint={`${exact(row.scans)} scans\n${hint}`} />;
}
