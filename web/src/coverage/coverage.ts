/** What is read of an instance and what is not: a row per set and per column that is not whole. Pure. */
import type { Coverage } from '../api/model';

export type State = 'works' | 'degraded' | 'missing' | 'error';

export interface CoverageRow {
  set: string;
  /** Empty for the set as a whole. */
  column: string;
  state: State;
  reason: string | null;
  fix: string | null;
  since: string | null;
  intervalSeconds: number | null;
  lastReading: string | null;
}

const URGENCY: Record<State, number> = { works: 0, degraded: 1, missing: 2, error: 4 };
const MENDABLE = 3;

/** Worst last: a descending order puts first what fails, then what somebody can mend; a version cannot be mended. */
export function urgency(row: CoverageRow): number {
  return row.state !== 'works' && row.fix !== null ? Math.max(MENDABLE, URGENCY[row.state]) : URGENCY[row.state];
}

function asState(word: string): State {
  return word in URGENCY ? (word as State) : 'error';
}

export function coverageRows(coverage: Coverage): CoverageRow[] {
  return coverage.data.flatMap((one) => {
    const of = { set: one.set, intervalSeconds: one.interval_seconds ?? null, lastReading: one.last_reading ?? null };
    const whole: CoverageRow = {
      ...of, column: '', state: asState(one.state), reason: one.message ?? null, fix: one.fix ?? null, since: one.since_version ?? null,
    };
    const columns = one.columns.map((column): CoverageRow => ({
      ...of, column: column.column, state: asState(column.state), reason: column.message, fix: column.fix ?? null,
      since: column.since_version ?? null,
    }));
    return [whole, ...columns];
  });
}

/** `2 of 15 sets and 3 columns are not read; SQL below mends 1` */
export function coverageHeading(rows: CoverageRow[]): string {
  const sets = rows.filter((row) => row.column === '');
  const missing = sets.filter((row) => row.state !== 'works').length;
  const columns = rows.filter((row) => row.column !== '').length;
  if (missing === 0 && columns === 0) return `All ${sets.length} sets are read whole`;
  const parts = [
    missing === 0 ? null : `${missing} of ${sets.length} sets`,
    columns === 0 ? null : `${columns} ${columns === 1 ? 'column' : 'columns'}`,
  ].filter((part) => part !== null);
  const one = missing + columns === 1;
  const mended = new Set(rows.filter((row) => row.state !== 'works' && row.fix !== null).map((row) => row.fix)).size;
  const how = mended === 0 ? '' : `; ${mended} ${mended === 1 ? 'change' : 'changes'} below would mend some`;
  return `${parts.join(' and ')} ${one ? 'is' : 'are'} not read whole${how}`;
}
