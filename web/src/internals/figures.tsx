/** Columns of figures from short descriptions: what it is, its unit, where it comes from. */
import type { Unmeasured } from '../api/model';
import { bytes, count, duration, exact, percent, rate, type Figure } from '../format/number';
import { Missing, Num } from '../format/Num';
import type { Column } from '../tables/column';

const KINDS: Record<string, { figure: (value: number) => Figure; slot: number; unit?: string }> = {
  count: { figure: count, slot: 2 },
  rate: { figure: (value) => rate(value), slot: 5, unit: '1/s' },
  bytes: { figure: bytes, slot: 4, unit: 'bytes' },
  ms: { figure: duration, slot: 4, unit: 'ms' },
  ratio: { figure: percent, slot: 2, unit: 'ratio' },
};

export interface Measure<Row> {
  id: string;
  title: string;
  help: string;
  /** `count`, `rate`, `bytes`, `ms` or `ratio`. */
  kind: string;
  /** The row's field, and the name under which the API says why it is not measured; else the id. */
  field?: string;
  /** Where it is no field. */
  value?: (row: Row) => number | null | undefined;
}

/** Figures to the right, each with its exact value and what it is; a dash with its reason where there is none. */
export function figureColumns<Row>(measures: Measure<Row>[], unmeasured: Unmeasured, none: string): Column<Row>[] {
  return measures.map(({ id, title, help, kind, field = id, value }): Column<Row> => {
    const { figure, slot, unit } = KINDS[kind] ?? { figure: count, slot: 2 };
    const of = value ?? ((row: Row) => (row as Record<string, number | null | undefined>)[field]);
    return {
      id, title, help, width: Math.max(76, title.length * 8 + 20), numeric: true, unitSlot: slot,
      ...(unit === undefined ? {} : { unit }),
      value: of,
      cell: (row) => {
        const one = of(row);
        if (one == null) return <Missing reason={unmeasured[field]?.message ?? none} />;
        return <Num figure={figure(one)} hint={`${exact(one)}${unit === undefined ? '' : ` ${unit}`}\n${help}`} />;
      },
    };
  });
}
