import type { ReactNode } from 'react';
import { visible } from '../format/visible';

type Raw = string | number | boolean | null | undefined;

/** A field of the CSV. */
interface Copied<Row> {
  title: string;
  unit?: string;
  value: (row: Row) => Raw;
}

/** A column as every table takes it: what it shows, how it sorts, what it copies. */
export interface Column<Row> {
  id: string;
  title: string;
  /** What the figure is and where it comes from. */
  help?: string;
  /** Pixels at least; the column that grows takes the rest. */
  width: number;
  grow?: boolean;
  /** Figures: to the right, and never cut. */
  numeric?: boolean;
  /** Short words of ours or versions: never cut either. */
  whole?: boolean;
  /** Width of the slot for units, in `ch`. */
  unitSlot?: number;
  /** Unit of `value` in copied CSV. */
  unit?: string;
  /** The raw value: what is sorted and copied. Null sorts last. A column without it does not sort. */
  value?: (row: Row) => Raw;
  /** What is copied where that is not what is sorted: one field for each thing that the column shows. */
  copied?: Copied<Row>[];
  cell: (row: Row) => ReactNode;
}

export interface Sort {
  id: string;
  descending: boolean;
}

/** `-calls` of the URL. */
export function parseSort(text: string | undefined, otherwise: Sort): Sort {
  if (text === undefined || !/^-?[a-z0-9_]+$/.test(text)) return otherwise;
  return text.startsWith('-') ? { id: text.slice(1), descending: true } : { id: text, descending: false };
}

export function writeSort(sort: Sort, otherwise: Sort): string | undefined {
  if (sort.id === otherwise.id && sort.descending === otherwise.descending) return undefined;
  return (sort.descending ? '-' : '') + sort.id;
}

/** Numbers begin descending, words ascending; a second click turns around. */
export function nextSort<Row>(current: Sort, column: Column<Row>): Sort {
  if (current.id === column.id) return { id: column.id, descending: !current.descending };
  return { id: column.id, descending: column.numeric === true };
}

const WORDS = new Intl.Collator('en', { numeric: true });

function compare(a: Raw, b: Raw): number {
  return typeof a === 'string' || typeof b === 'string' ? WORDS.compare(String(a), String(b)) : Number(a) - Number(b);
}

/** Rows by a column. Those without a value come last whichever way, and equal ones stay as they were. */
export function sortRows<Row>(rows: Row[], columns: Column<Row>[], { id, descending }: Sort): Row[] {
  const value = columns.find((column) => column.id === id)?.value;
  if (value === undefined) return rows;
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => ({ row, by: value(row) ?? null }))
    .sort((a, b) => (a.by === null || b.by === null ? Number(a.by === null) - Number(b.by === null) : sign * compare(a.by, b.by)))
    .map(({ row }) => row);
}

/** What a spreadsheet would calculate instead of showing it. A number, also one in words such as a queryid, it may. */
const FORMULA = /^[=+\-@](?!\d+(\.\d+)?$)/;

function csvField(value: Raw): string {
  if (value === null || value === undefined) return '';
  const plain = typeof value === 'string' ? visible(value) : String(value);
  const text = FORMULA.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A moment as it is copied: in ISO 8601, UTC. */
export function momentField<Row>(title: string, ms: (row: Row) => number | null | undefined): Copied<Row> {
  const written = (at: number | null | undefined) => (at == null ? null : new Date(at).toISOString());
  return { title, value: (row) => written(ms(row)) };
}

/**
 * Raw values with units in the header; not measured is an empty field. In texts nothing acts: not on what is read, not
 * as a formula, and no name makes two lines of one.
 */
export function csv<Row>(columns: Column<Row>[], rows: Row[]): string {
  const fields = columns.flatMap(({ title, unit, value, copied }): Copied<Row>[] => {
    if (copied !== undefined || value === undefined) return copied ?? [];
    return [{ title, value, ...(unit === undefined ? {} : { unit }) }];
  });
  const head = fields.map(({ title, unit }) => csvField(unit === undefined ? title : `${title} (${unit})`));
  const lines = rows.map((row) => fields.map(({ value }) => csvField(value(row))).join(','));
  return [head.join(','), ...lines].join('\r\n') + '\r\n';
}
