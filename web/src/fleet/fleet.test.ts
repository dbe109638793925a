import { expect, test } from 'vitest';
import type { Instance } from '../api/model';
import { worstFirst } from './fleet';

const one = (name: string, state: Instance['state'], ...reasons: string[]) => ({ name, state, reasons }) as Instance;

test('what needs somebody is told in words, the worst first, healthy ones never', () => {
  const all = [one('b', 'warning', 'lag'), one('a', 'healthy', 'fine'), one('d', 'critical', 'down'), one('c', 'warning'), one('a2', 'warning', 'full')];
  expect(worstFirst(all).map((each) => each.name)).toEqual(['d', 'a2', 'b']);
  expect(worstFirst(Array.from({ length: 9 }, (_, index) => one(String(index), 'no_data', 'silent')))).toHaveLength(5);
});
