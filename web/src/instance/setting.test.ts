import { expect, test } from 'vitest';
import { inUnit, isChanged } from './setting';

test('values in the unit that a reader thinks in', () => {
  expect(inUnit('16384', '8kB')).toBe('128\u00a0MiB');
  expect(inUnit('4096', 'kB')).toBe('4\u00a0MiB');
  expect(inUnit('30', 's')).toBe('30 s');
  expect(inUnit('-1', 'ms')).toBe('-1');
  expect(inUnit('1.1', null)).toBe('1.1');
});

test('changed is what somebody set to something else', () => {
  const setting = { name: 'jit', boot_val: 'on', pending_restart: false };
  expect(isChanged({ ...setting, setting: 'off', source: 'configuration file' })).toBe(true);
  expect(isChanged({ ...setting, setting: 'on', source: 'configuration file' })).toBe(false);
  expect(isChanged({ ...setting, setting: 'off', source: 'default' })).toBe(false);
  expect(isChanged({ ...setting, setting: null, source: null })).toBe(false);
});
