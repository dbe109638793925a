/** What the pages of tables and indexes derive from their rows. Pure. */
import type { IndexRow, Indexes, TableRow, Tables } from '../api/model';
import { bytes, coarse, count, percent, text, type Figure } from '../format/number';
import { unseen, writtenOut } from '../format/visible';

/** A name as SQL takes it: quoted where it must be, and what is not seen written out. */
export function quoted(name: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(name)) return name;
  const doubled = name.replaceAll('"', '""');
  return unseen(name, false).length === 0 ? `"${doubled}"` : `U&"${writtenOut(doubled.replaceAll('\\', '\\\\'), (hex) => `\\+${hex}`)}"`;
}

/** `orders`, or `sales.orders` outside the schema public; the oid where no name was read. */
export function relationName(row: { schema?: string | null; name?: string | null }, oid: number): string {
  if (row.name == null) return String(oid);
  return row.schema == null || row.schema === 'public' ? row.name : `${row.schema}.${row.name}`;
}

const things = (number: number, one: string, many: string) => `${text(count(number))} ${number === 1 ? one : many}`;

/** `812 GiB, 1,004 tables` */
export function tablesHeading({ totals }: Pick<Tables, 'totals'>): string {
  if (totals.tables === 0) return 'No tables';
  const tables = things(totals.tables, 'table', 'tables');
  return totals.size_bytes == null ? tables : `${text(bytes(totals.size_bytes))}, ${tables}`;
}

/** `2 invalid, 1 duplicate, 5 unused of 120 indexes; 1.2 GiB can go` */
export function indexesHeading({ totals }: Pick<Indexes, 'totals'>): string {
  if (totals.indexes === 0) return 'No indexes';
  const indexes = things(totals.indexes, 'index', 'indexes');
  const found = [
    [totals.invalid, 'invalid'] as const,
    [totals.duplicate, 'duplicate'] as const,
    [totals.unused, 'unused'] as const,
  ].flatMap(([number, word]) => (number === 0 ? [] : `${text(count(number))} ${word}`));
  if (found.length === 0) {
    return totals.size_bytes == null ? `${indexes}, nothing found` : `${text(bytes(totals.size_bytes))}, ${indexes}, nothing found`;
  }
  const can = totals.droppable_bytes == null ? '' : `; ${text(bytes(totals.droppable_bytes))} can go`;
  return `${found.join(', ')} of ${indexes}${can}`;
}

/** The latest of a vacuum by hand and one by autovacuum, and which it was. */
export function lastVacuum(row: TableRow): { at: number; auto: boolean } | null {
  return latest(row.last_vacuum, row.last_autovacuum);
}

/** The same of analyze. */
export function lastAnalyze(row: TableRow): { at: number; auto: boolean } | null {
  return latest(row.last_analyze, row.last_autoanalyze);
}

function latest(byHand: string | null | undefined, auto: string | null | undefined) {
  const hand = byHand == null ? -Infinity : Date.parse(byHand);
  const own = auto == null ? -Infinity : Date.parse(auto);
  if (hand === -Infinity && own === -Infinity) return null;
  return hand >= own ? { at: hand, auto: false } : { at: own, auto: true };
}

const BECAUSE = {
  dead_rows: 'dead rows',
  inserts: 'inserted rows',
  xid_age: 'the age of its oldest transaction',
  mxid_age: 'the age of its oldest multixact',
} as const;

/** Why autovacuum comes, with the numbers behind the share. */
export function autovacuumHint(row: TableRow): string {
  const near = row.autovacuum;
  if (near == null) return '';
  const lines = [`${text(percent(near.share))} of the way, by ${BECAUSE[near.because]}`];
  if (!near.enabled) lines.unshift('Autovacuum is off here: it comes for age only.');
  if (row.dead_rows != null) {
    lines.push(`${text(count(row.dead_rows))} of ${text(count(near.dead_threshold))} dead rows`);
  }
  if (near.insert_threshold != null) lines.push(`Comes after ${text(count(near.insert_threshold))} inserted rows`);
  lines.push(`Comes at age ${text(count(near.freeze_max_age))} in any case`);
  return lines.join('\n');
}

/** A size as it is copied: beside it whether it was measured. */
export function sizeFields<Row extends { size_is_estimate: boolean }>(size: (row: Row) => number | null | undefined) {
  return [
    { title: 'Size', unit: 'bytes', value: size },
    { title: 'Size is estimated', value: (row: Row) => (size(row) == null ? null : row.size_is_estimate) },
  ];
}

/** From when on its scans are counted; where there are none, from when on none can have been missed. */
export function scansSince(row: IndexRow): number | null {
  const since = row.scans === 0 ? row.known_since : row.scans_since;
  return since == null ? null : Date.parse(since);
}

/** Rows written per second, in whatever way. */
export function writes(row: TableRow): number | null {
  const known = [row.inserts_per_s, row.updates_per_s, row.deletes_per_s].filter((one) => one != null);
  return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
}

/** `btree (a, lower) include (b) where …` */
export function definition(row: IndexRow): string | null {
  if (row.columns == null) return null;
  const included = row.included == null ? '' : ` include (${row.included})`;
  return `${row.method ?? ''} (${row.columns})${included}${row.predicate ? ' where …' : ''}`.trim();
}

/** The statement that removes an index without a lock that others wait for. */
export function dropStatement(row: IndexRow): string | null {
  if (!row.droppable || row.name == null) return null;
  const name = `${row.schema == null ? '' : `${quoted(row.schema)}.`}${quoted(row.name)}`;
  // That of a partitioned table cannot be dropped concurrently.
  return row.partitions == null ? `drop index concurrently ${name};` : `drop index ${name};`;
}

export const GRAVITY: Record<string, number> = { invalid: 3, duplicate: 2, unused: 1 };

/** Above this a worker should have come. */
const DUE = 1;

/** Whether autovacuum is overdue, or does not come. */
export function isDue(row: TableRow): boolean {
  return row.autovacuum != null && (!row.autovacuum.enabled || row.autovacuum.share > DUE);
}

/** What tables are ordered by: one that autovacuum does not come to is among the worst. */
export function autovacuumUrgency(row: TableRow): number | null {
  if (row.autovacuum == null) return null;
  return row.autovacuum.enabled ? row.autovacuum.share : Infinity;
}

const signed = (value: number): string => {
  const figure = text(bytes(value));
  return value > 0 ? `+${figure}` : figure;
};

/** `+1.2 GiB/day` where a day is known, else the growth itself: `+1.2 MiB in 14 min`; null where only one size is. */
export function growthFigure(row: TableRow): Figure | null {
  if (row.growth_bytes_per_day != null) return { value: `${signed(row.growth_bytes_per_day)}/day`, unit: '' };
  if (row.growth_bytes == null || row.growth_ms == null) return null;
  return { value: `${signed(row.growth_bytes)} in ${text(coarse(row.growth_ms))}`, unit: '' };
}
