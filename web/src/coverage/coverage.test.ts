import { describe, expect, it } from 'vitest';
import type { Coverage } from '../api/model';
import { coverageHeading, coverageRows, urgency } from './coverage';

const works = (set: string): Coverage['data'][number] => ({ set, state: 'works', interval_seconds: 60, columns: [] });

describe('coverage', () => {
  it('says that nothing is missing', () => {
    expect(coverageHeading(coverageRows({ count: 2, checked_at: null, data: [works('a'), works('b')] }))).toBe('All 2 sets are read whole');
  });

  it('has a row for each set and for each column that is not whole', () => {
    const column = { column: 'active_time', state: 'missing', code: 'version', message: 'Needs PostgreSQL 14; here is 13.', since: '2026-03-01T00:00:00Z', since_version: '14' };
    const lacking: Coverage['data'][number] = { set: 'c', state: 'degraded', code: 'privilege', message: 'Only a part.', fix: 'grant x to y;', interval_seconds: 10, columns: [] };
    const rows = coverageRows({ count: 2, checked_at: null, data: [{ ...works('a'), columns: [column] }, lacking] });
    expect(rows.map((row) => [row.set, row.column, row.state])).toEqual([['a', '', 'works'], ['a', 'active_time', 'missing'], ['c', '', 'degraded']]);
    expect(rows[1]?.since).toBe('14');
    expect(coverageHeading(rows)).toBe('1 of 2 sets and 1 column are not read whole; 1 change below would mend some');
  });

  it('takes a state that it does not know as the worst', () => {
    const rows = coverageRows({ count: 1, checked_at: null, data: [{ ...works('a'), state: 'odd' }] });
    expect(rows[0]?.state).toBe('error');
    expect(coverageHeading(rows)).toBe('1 of 1 sets is not read whole');
  });
});

it('what somebody can mend goes before what only a newer version has', () => {
  const row = { set: 's', column: 'c', reason: null, since: null, intervalSeconds: null, lastReading: null };
  const order = [
    urgency({ ...row, state: 'works' as const, fix: null }),
    urgency({ ...row, state: 'missing', fix: null }),
    urgency({ ...row, state: 'degraded', fix: 'grant …' }),
    urgency({ ...row, state: 'error', fix: null }),
  ];
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(new Set(order).size).toBe(4);
});
