import { expect, test } from 'vitest';
import type { CustomSetInstance, CustomSetState } from '../api/model';
import { goes, isVersion, setHeading, versionText } from './customSets';

const instance = (more: Partial<CustomSetInstance> = {}): CustomSetInstance => ({
  instance_id: 1, instance: 'main', state: 'works', code: '', message: '', fix: '', last_reading: null, rows: null, ...more,
});
const state = (more: Partial<CustomSetState> = {}): CustomSetState => ({
  collector_id: '1', collector: 'prod-1', version_wanted: 2, version_in_force: 2, config_error: null, instances: [instance()], ...more,
});
const waits = instance({ state: 'missing', code: 'approval', fix: 'pganalytics collector approve 1' });

test('how a set goes at a collector is the worst of its instances', () => {
  expect(goes(state())).toBe('works');
  expect(goes(state({ instances: [] }))).toBe('not read yet');
  expect(goes(state({ version_in_force: null }))).toBe('not taken yet');
  expect(goes(state({ version_in_force: null, config_error: 'line 2: no' }))).toBe('refused');
  expect(goes(state({ version_wanted: null }))).toBe('being taken away');
  expect(goes(state({ instances: [instance(), waits] }))).toBe('waits for approval there');
  expect(goes(state({ instances: [{ ...waits, fix: '' }] }))).toBe('not allowed there');
  expect(goes(state({ instances: [waits, instance({ state: 'error' })] }))).toBe('fails');
});

test('the heading counts them', () => {
  expect(setHeading('x_a', [])).toBe('x_a is for no collector');
  expect(setHeading('x_a', [state()])).toBe('x_a at 1 collector: works');
  expect(setHeading('x_a', [state(), state({ instances: [waits] }), state()])).toBe('x_a at 3 collectors: 2 × works, 1 × waits for approval there');
});

test('both versions are told where they differ', () => {
  expect(versionText(state())).toBe('2');
  expect(versionText(state({ version_in_force: 1 }))).toBe('1 of 2');
  expect(versionText(state({ version_in_force: null }))).toBe('none of 2');
});

test('versions are numbers with a dot', () => {
  expect(['12', '9.6', '1.10'].every(isVersion)).toBe(true);
  expect(['', 'x', '12.', '1.2.3', '../12'].some(isVersion)).toBe(false);
});
