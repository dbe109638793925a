/** What is measured: a row per column of every set. Pure. */
import type { MeasuredSets } from '../api/model';

export interface CatalogueRow {
  set: string;
  /** The set in a sentence. */
  about: string;
  column: string;
  type: string;
  kind: string;
  unit: string | null;
  /** `14`; null where it is not read by SQL. */
  since: string | null;
  /** Of what that is the version. */
  product: string;
  intervalSeconds: number | null;
  group: string | null;
  help: string;
}

export function catalogueRows(sets: MeasuredSets): CatalogueRow[] {
  return sets.data.flatMap((set) =>
    set.columns.map((column): CatalogueRow => {
      const version = column.since ?? set.versions[0] ?? null;
      return {
        set: set.set,
        about: set.help,
        column: column.name,
        type: column.type,
        kind: column.kind,
        unit: column.unit === 'none' ? null : column.unit,
        since: version,
        product: set.extension ?? 'PostgreSQL',
        intervalSeconds: set.interval_seconds ?? null,
        group: set.group ?? null,
        help: column.help,
      };
    }),
  );
}

/** `15 sets with 212 columns are measured` */
export function catalogueHeading(rows: CatalogueRow[]): string {
  const sets = new Set(rows.map((row) => row.set)).size;
  return `${sets} ${sets === 1 ? 'set' : 'sets'} with ${rows.length} columns ${sets === 1 ? 'is' : 'are'} measured`;
}
