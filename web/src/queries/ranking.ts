/** What the queries page derives from a ranking. Pure. */
import type { OthersRow, Ranking, RankingRow, StatementFigures } from '../api/model';
import { count, percent, text } from '../format/number';

/** A line of the table: a statement, or what is not listed. */
export type Line = (RankingRow & { others?: undefined }) | OthersLine;

export interface OthersLine extends StatementFigures {
  others: true;
  statements: number | null;
}

export const BLOCK_BYTES = 8192;

export function asOthers(others: OthersRow | null | undefined): OthersLine | null {
  return others == null ? null : { ...others, others: true };
}

/** One row per database, user, queryid and level. */
export function lineKey(line: Line): string {
  return line.others === true ? 'others' : [line.queryid, line.database, line.user, line.toplevel].join('/');
}

/** The API's column behind a column of the table. */
export const ORDER: Record<string, string> = {
  share: 'total_exec_time_ms',
  time: 'total_exec_time_ms',
  calls: 'calls',
  mean: 'mean_exec_time_ms',
  hit: 'cache_hit_ratio',
  read: 'shared_blks_read',
  temp: 'temp_blks_written',
  wal: 'wal_bytes',
  stddev: 'stddev_exec_time_ms',
  min: 'min_exec_time_since_ms',
  max: 'max_exec_time_since_ms',
  plan: 'total_plan_time_ms',
  io_read: 'blk_read_time_ms',
  io_write: 'blk_write_time_ms',
  dirtied: 'shared_blks_dirtied',
  calls_s: 'calls',
};

export function rowsPerCall(figures: StatementFigures): number | null {
  if (figures.rows == null || figures.calls == null || figures.calls === 0) return null;
  return figures.rows / figures.calls;
}

/** `Top 3 of 1,412 take 71 %`: the fewest statements that take most of the time, five at most. */
export function heading(ranking: Ranking): string {
  const statements = ranking.totals.statements;
  const shares = ranking.data
    .flatMap((row) => (row.toplevel ? (row.share_of_total ?? []) : []))
    .toSorted((a, b) => b - a);
  const first = shares[0];
  if (ranking.count === 0) return 'No statements';
  if (first === undefined || statements === 0) {
    return `${text(count(ranking.count))} ${ranking.count === 1 ? 'statement' : 'statements'}`;
  }
  let sum = 0;
  let top = 0;
  for (const share of shares.slice(0, 5)) {
    sum += share;
    top += 1;
    if (sum >= 0.7 || (top >= 3 && share < 0.03)) break;
  }
  const taken = text(percent(Math.min(1, sum)));
  if (top === 1) return `The top statement of ${text(count(statements))} takes ${taken}`;
  return `Top ${top} of ${text(count(statements))} take ${taken}`;
}

/** What stands where the text would be. */
export function textOf(row: Pick<RankingRow, 'query' | 'query_state'>): { text: string; missing: boolean } {
  if (row.query != null && row.query !== '') return { text: row.query.replace(/\s+/g, ' ').trim(), missing: false };
  if (row.query_state === 'hidden') return { text: 'Text hidden: it may hold a password.', missing: true };
  if (row.query_state === 'not_readable') return { text: 'Statement texts are not readable.', missing: true };
  return { text: 'Text not captured.', missing: true };
}
