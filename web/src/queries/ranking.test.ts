import { describe, expect, test } from 'vitest';
import type { Ranking, RankingRow } from '../api/model';
import { heading, lineKey, rowsPerCall, textOf } from './ranking';

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
    totals: { calls: 1, total_exec_time_ms: 1, rows: 1, statements },
    shares_measurable: true,
  };
}

describe('heading', () => {
  test('the fewest statements that take most', () => {
    expect(heading(ranking([row(0.41), row(0.2), row(0.1), row(0.01)], 1412))).toBe('Top 3 of 1,412 take 71\u00a0%');
    expect(heading(ranking([row(0.9), row(0.1)], 2))).toBe('The top statement of 2 takes 90\u00a0%');
  });

  test('nested statements are not counted twice, and no share is no boast', () => {
    expect(heading(ranking([row(0.5), row(0.5, false), row(0.2)], 3))).toBe('Top 2 of 3 take 70\u00a0%');
    expect(heading(ranking([row(null), row(null)], 2))).toBe('2 statements');
    expect(heading(ranking([], 0))).toBe('No statements');
  });
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
