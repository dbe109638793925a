import { expect, test } from 'vitest';
import type { Instance } from '../api/model';
import { firstFew, unread, worstFirst } from './fleet';

const one = (name: string, state: Instance['state'], ...reasons: string[]) => ({ name, state, reasons }) as Instance;

test('what needs somebody is told in words, the worst first, healthy ones never', () => {
  const all = [one('b', 'warning', 'lag'), one('a', 'healthy', 'fine'), one('d', 'critical', 'down'), one('c', 'warning'), one('a2', 'warning', 'full')];
  expect(worstFirst(all).map((each) => each.name)).toEqual(['d', 'a2', 'b']);
  expect(worstFirst(Array.from({ length: 9 }, (_, index) => one(String(index), 'no_data', 'silent')))).toHaveLength(5);
});

test('what cannot be read is told once for each reason, with the instances', () => {
  const lacking = (name: string, ...not_readable: Partial<Instance['not_readable'][number]>[]) => ({ name, not_readable, watched: { state: name === 'e' ? 'silent' : 'read' } }) as Instance;
  const grant = { message: 'May not.', fix: 'grant pg_monitor to p;' };
  const fleet = [
    lacking('a', { set: 'locks', message: 'May not.', fix: 'grant other;' }, { set: 'activity', ...grant }),
    lacking('b', { set: 'activity', ...grant }, { set: 'replication', column: 'replay_lag', ...grant }),
    lacking('c', { set: 'x', message: 'broken' }),
    lacking('d'),
    lacking('e', { set: 'activity', ...grant }),
  ];
  expect(unread(fleet).map(({ message, fix, things, instances }) => [message, fix, things, instances.map((one) => one.name)])).toEqual([
    ['May not.', 'grant pg_monitor to p;', ['activity', 'replication.replay_lag'], ['a', 'b']],
    ['May not.', 'grant other;', ['locks'], ['a']],
    ['broken', null, ['x'], ['c']],
  ]);
});

test('of many the first few are named, and never one alone is counted', () => {
  expect(firstFew(['a', 'b', 'c', 'd'])).toEqual({ first: ['a', 'b', 'c', 'd'], rest: [] });
  expect(firstFew(['a', 'b', 'c', 'd', 'e'])).toEqual({ first: ['a', 'b', 'c'], rest: ['d', 'e'] });
});
