import { expect, test } from 'vitest';
import type { RunningCommand } from '../api/model';
import { brief, done, target } from './progress';

test('a share is told where the total is known, and otherwise what is done', () => {
  expect(brief({ unit: 'blocks', done: 50, total: 200, share: 0.25 })).toBe('25\u00a0%');
  expect(done({ unit: 'blocks', done: 50, total: 200, share: 0.25 })).toBe('50 of 200 blocks');
  expect(brief({ unit: 'rows', done: 1200, total: null, share: null })).toBe(done({ unit: 'rows', done: 1200 }));
  expect(done({ unit: 'bytes', done: 1024 * 1024 })).not.toContain('bytes');
});

test('a command is on a table, or on an index of it', () => {
  const command = { relation: 'public.orders', index: null } as unknown as RunningCommand;
  expect(target(command)).toBe('public.orders');
  expect(target({ ...command, index: '20009' })).toBe('public.orders, index 20009');
  expect(target({ ...command, relation: null })).toBeNull();
});
