/** What the queries page derives from a ranking. Pure. */
import type { OthersRow, Ranking, RankingRow, StatementFigures } from '../api/model';
import { count, percent, text } from '../format/number';

/** A line of the table: a statement, or what is not listed. */
export type Line = (RankingRow & { others?: undefined }) | OthersLine;

export interface OthersLine extends StatementFigures {
  others: true;
  statements: number | null;
}

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

/** What the ranking was asked for, as far as sentences depend on it. */
export interface Asked {
  /** Whether a search, a database or a user narrows it. */
  filtered: boolean;
  /** Whether the costliest come first: only then are they among the rows for sure. */
  costliestFirst: boolean;
}

const statementsOf = (number: number) => `${text(count(number))} ${number === 1 ? 'statement' : 'statements'}`;

/**
 * `Top 3 of 1,412 take 71 %`: the fewest statements that take most of what all shown ones take, five at most. Under a
 * filter it says of how many that is told: `Top 2 of the 12 shown of 1,412 take 0.5 %`.
 */
export function heading(ranking: Ranking, { filtered, costliestFirst }: Asked): string {
  const matching = ranking.count + (ranking.others?.statements ?? 0);
  const all = ranking.totals.statements;
  if (matching === 0) return all === 0 ? 'No statements' : `None of ${statementsOf(all)}`;
  const counted = filtered ? `${text(count(matching))} of ${statementsOf(all)}` : statementsOf(matching);
  const shares = ranking.data
    .flatMap((row) => (row.toplevel ? (row.share_of_total ?? []) : []))
    .toSorted((a, b) => b - a);
  const first = shares[0];
  if (first === undefined || (!costliestFirst && ranking.others != null)) return counted;
  const most = 0.7 * shares.reduce((sum, share) => sum + share, ranking.others?.share_of_total ?? 0);
  let sum = 0;
  let top = 0;
  for (const share of shares.slice(0, 5)) {
    sum += share;
    top += 1;
    if (sum >= most || (top >= 3 && share < 0.03)) break;
  }
  const taken = text(percent(Math.min(1, sum)));
  const among = filtered ? `the ${text(count(matching))} shown of ${text(count(all))}` : text(count(matching));
  if (matching === 1) return filtered ? `The one statement shown of ${text(count(all))} takes ${taken}` : `The only statement takes ${taken}`;
  if (top === 1) return `The top statement of ${among} takes ${taken}`;
  return `Top ${top} of ${among} take ${taken}`;
}

/** `12 statements of monitoring, 1.3 %`; null where there are none. */
export function monitoringLine({ monitoring }: Pick<Ranking, 'monitoring'>): string | null {
  if (monitoring == null) return null;
  const share = monitoring.share_of_total == null ? '' : `, ${text(percent(monitoring.share_of_total))}`;
  return `${statementsOf(monitoring.statements)} of monitoring${share}`;
}

/** What stands where the text would be. */
export function textOf(row: Pick<RankingRow, 'query' | 'query_state'>): { text: string; missing: boolean } {
  if (row.query != null && row.query !== '') return { text: row.query.replace(/\s+/g, ' ').trim(), missing: false };
  if (row.query_state === 'hidden') return { text: 'Text hidden: it may hold a password.', missing: true };
  if (row.query_state === 'not_readable') return { text: 'Statement texts are not readable.', missing: true };
  return { text: 'Text not captured.', missing: true };
}
