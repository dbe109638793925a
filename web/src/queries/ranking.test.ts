import { describe, expect, test } from 'vitest';
import type { Ranking, RankingRow } from '../api/model';
import { heading, lineKey, monitoringLine, rowsPerCall, textOf } from './ranking';
import { RANGE } from '../tests/covered';

function row(share: number | null, toplevel = true): RankingRow {
  return {
    queryid: '-9007199254740993',
    query: 'select 1',
    query_state: 'ok',
    database: 'shop',
    user: 'app',
    toplevel,
    complete: true,
    calls: 1,
    total_exec_time_ms: 1,
    mean_exec_time_ms: 1,
    rows: 1,
    share_of_total: share,
  };
}

function ranking(rows: RankingRow[], statements: number): Ranking {
  return {
    data: rows,
    grid: { start: '2026-11-21T10:00:00Z', step_ms: 60_000, points: 60 },
    generated_at: '2026-11-21T11:00:00Z',
    unmeasured: {},
    covered_ms: [],
    count: rows.length,
    total: rows.length,
    others: null,
    flagged_intervals: [],
    gaps: [],
    covered: { ...RANGE, ms: 3_600_000, share: 1 },
    totals: { calls: 1, total_exec_time_ms: 1, rows: 1, statements },
    shares_measurable: true,
  };
}

const ALL = { filtered: false, costliestFirst: true };
const FILTERED = { filtered: true, costliestFirst: true };

/** With statements that are not listed. */
function withOthers(rows: RankingRow[], statements: number, unlisted: number, share: number): Ranking {
  return { ...ranking(rows, statements), others: { statements: unlisted, share_of_total: share } };
}

describe('heading', () => {
  test('the fewest statements that take most', () => {
    expect(heading(withOthers([row(0.41), row(0.2), row(0.1), row(0.01)], 1412, 1408, 0.28), ALL)).toBe('Top 3 of 1,412 take 71\u00a0%');
    expect(heading(ranking([row(0.9), row(0.1)], 2), ALL)).toBe('The top statement of 2 takes 90\u00a0%');
  });

  test('nested statements are not counted twice, and no share is no boast', () => {
    expect(heading(ranking([row(0.5), row(0.5, false), row(0.2)], 3), ALL)).toBe('The top statement of 3 takes 50\u00a0%');
    expect(heading(ranking([row(null), row(null)], 2), ALL)).toBe('2 statements');
    expect(heading(ranking([], 0), ALL)).toBe('No statements');
  });

  test('under a filter it says of how many it is told', () => {
    const rows = [row(0.005), row(0.001), row(0.001)];
    expect(heading(ranking(rows, 598), FILTERED)).toBe('The top statement of the 3 shown of 598 takes 0.5\u00a0%');
    expect(heading(ranking(rows.slice(1), 598), FILTERED)).toBe('Top 2 of the 2 shown of 598 take 0.2\u00a0%');
    expect(heading(ranking([row(0.005)], 598), FILTERED)).toBe('The one statement shown of 598 takes 0.5\u00a0%');
    expect(heading(ranking([], 598), FILTERED)).toBe('None of 598 statements');
    expect(heading(ranking([row(null)], 598), FILTERED)).toBe('1 of 598 statements');
  });

  test('one row, and statements that monitoring runs', () => {
    expect(heading(ranking([row(1)], 1), ALL)).toBe('The only statement takes 100\u00a0%');
    // Ten of twelve are hidden: what is told is of the two.
    expect(heading(ranking([row(0.9), row(0.05)], 12), ALL)).toBe('The top statement of 2 takes 90\u00a0%');
  });

  test('in another order the costliest may not be among the rows', () => {
    const byCalls = { filtered: false, costliestFirst: false };
    expect(heading(withOthers([row(0.01)], 1412, 1411, 0.99), byCalls)).toBe('1,412 statements');
    expect(heading(ranking([row(0.1), row(0.9)], 2), byCalls)).toBe('The top statement of 2 takes 90\u00a0%');
  });
});

test('monitoring is told with its share', () => {
  expect(monitoringLine({ monitoring: { statements: 12, share_of_total: 0.013 } })).toBe('12 statements of monitoring, 1.3\u00a0%');
  expect(monitoringLine({ monitoring: { statements: 1 } })).toBe('1 statement of monitoring');
  expect(monitoringLine({ monitoring: null })).toBeNull();
});

test('queryids beyond 2^53 stay whole', () => {
  expect(lineKey(row(1))).toBe('-9007199254740993/shop/app/true');
});

test('no call is no ratio', () => {
  expect(rowsPerCall({ calls: 0, rows: 0, total_exec_time_ms: 0, mean_exec_time_ms: null })).toBeNull();
  expect(rowsPerCall({ calls: 2, rows: 3, total_exec_time_ms: 0, mean_exec_time_ms: null })).toBe(1.5);
});

test('what stands where the text would be', () => {
  expect(textOf({ query: 'select\n  1', query_state: 'ok' })).toEqual({ text: 'select 1', missing: false });
  expect(textOf({ query: null, query_state: 'hidden' }).text).toBe('Text hidden: it may hold a password.');
  expect(textOf({ query: null, query_state: 'not_captured' }).text).toBe('Text not captured.');
});
