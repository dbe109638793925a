import { expect, test } from 'vitest';
import { ApiError } from '../api/error';
import type { Collector, ConfigVersion, TemplateChange } from '../api/model';
import {
  collectorsHeading, diffLines, followSentence, followText, labelsText, lineSpan, parseLabels, refusal, templateSentence, versionSentence,
} from './steering';

const NOW = Date.parse('2026-11-21T11:00:00Z');
const collector = (more: Partial<Collector> = {}): Collector => ({
  id: '1', name: 'prod-1', hostname: 'h', version: '4.0.0', status: 'active', registered_at: '2026-11-01T00:00:00Z',
  last_seen: '2026-11-21T10:59:55Z', token_expires_at: '2027-11-01T00:00:00Z', last_error: null, last_error_at: null, labels: {},
  config_version: null, config_in_force: null, config_refused: null, config_error: null, config_error_since: null, instances: 1,
  lag_ms: 1, clock_ahead_ms: null, clock_message: null, discarded_rows: 0, errors: 0, ...more,
});

test('which version a collector follows, and why not the newest', () => {
  const said = (more: Partial<Collector>) => followSentence(collector(more), 'utc', NOW);
  expect(said({})).toBe('prod-1 has no configuration from the server');
  expect(said({ config_version: 3, config_in_force: 3 })).toBe('prod-1 follows version 3, the newest');
  expect(said({ config_version: 3, config_in_force: 2 })).toBe('prod-1 has not taken version 3 yet and follows version 2');
  expect(said({ config_version: 1 })).toBe('prod-1 has not taken version 1 yet and follows none from the server');
  expect(said({ config_version: 1, last_seen: null })).toBe('prod-1 has not been heard of since version 1 was written');
  const refused = { config_version: 3, config_in_force: 2, config_refused: 3, config_error: 'no', config_error_since: '2026-11-21T10:58:00Z' };
  expect(said(refused)).toBe('prod-1 refused version 3 at 10:58:00 and follows version 2');
  // What was refused is not the newest any more.
  expect(said({ ...refused, config_version: 4 })).toBe('prod-1 has not taken version 4 yet and follows version 2');
});

test('a cell has both versions only where they differ', () => {
  expect(followText(collector())).toBe('–');
  expect(followText(collector({ config_version: 3, config_in_force: 3 }))).toBe('3');
  expect(followText(collector({ config_version: 3, config_in_force: 2 }))).toBe('2 of 3');
  expect(followText(collector({ config_version: 3 }))).toBe('none of 3');
});

test('the list says who does not follow', () => {
  const bad = collector({ name: 'prod-2', config_error: 'line 2: no' });
  expect(collectorsHeading([collector()])).toBe('1 collector');
  expect(collectorsHeading([collector(), bad])).toBe('2 collectors, prod-2 does not follow the newest configuration');
  expect(collectorsHeading([bad, bad])).toBe('2 collectors, 2 do not follow the newest configuration');
});

test('a version says who, when and why', () => {
  const version = (more: Partial<ConfigVersion>): ConfigVersion => ({
    version: 3, made_at: '2026-11-21T10:32:00Z', made_by: 'ada', why: 'written', restored_from: null, templates: [], custom_sets: [], diff: '', ...more,
  });
  const said = (more: Partial<ConfigVersion>) => versionSentence(version(more), 'utc', NOW).replace(/^.*: /, '');
  expect(versionSentence(version({}), 'utc', NOW)).toMatch(/^Version 3, .*10:32:00.*: ada wrote it$/);
  expect(said({ why: 'restored', restored_from: 1 })).toBe('ada restored version 1');
  expect(said({ why: 'template' })).toBe('ada changed a template');
  expect(said({ why: 'custom_set' })).toBe('ada changed a custom set');
  expect(said({ why: 'registered', made_by: null })).toBe('the collector registered');
});

test('labels are written as they are read', () => {
  const labels = { stage: 'prod', team: 'a=b' };
  expect(labelsText(labels)).toBe('stage=prod, team=a=b');
  expect(parseLabels(labelsText(labels))).toEqual({ labels });
  expect(parseLabels(' , ')).toEqual({ labels: {} });
  expect(parseLabels('__proto__=x')).toEqual({ labels: JSON.parse('{"__proto__":"x"}') as unknown });
  expect(parseLabels('stage')).toHaveProperty('problem');
  expect(parseLabels('=prod')).toHaveProperty('problem');
  expect(parseLabels('a=1, a=2')).toHaveProperty('problem');
});

test('a refusal has its line, if it is about one', () => {
  const error = (status: number, path: string) => new ApiError(status, 'The configuration is refused.', null, null, [{ path, reason: 'unknown key' }]);
  expect(refusal(error(400, 'line 12'))).toEqual({ line: 12, text: 'Line 12: unknown key' });
  expect(refusal(error(400, 'prod-1'))).toEqual({ line: null, text: 'prod-1: unknown key' });
  expect(refusal(error(400, '.'))).toEqual({ line: null, text: 'unknown key' });
  expect(refusal(new ApiError(0, 'x', null)).text).toMatch(/nothing was changed/);
  expect(refusal(new ApiError(404, 'No such collector.', null)).text).toBe('No such collector.');
  expect(refusal(new TypeError('x')).text).toMatch(/nothing was changed/);
});

test('a line is found in a text', () => {
  const text = 'one\ntwo\n\nfour';
  expect(lineSpan(text, 1)).toEqual({ start: 0, end: 3 });
  expect(lineSpan(text, 3)).toEqual({ start: 8, end: 8 });
  expect(lineSpan(text, 4)).toEqual({ start: 9, end: 13 });
  expect(lineSpan(text, 9)).toEqual({ start: 13, end: 13 });
});

test('a diff has its kinds of lines', () => {
  expect(diffLines('')).toEqual([]);
  expect(diffLines('@@ -1 +1 @@\n-a\n+b\n c\n').map((line) => line.kind)).toEqual(['place', 'removed', 'added', 'same']);
});

test('what a template comes to', () => {
  const said = (collectors: number, changed: number, refusing: number) =>
    templateSentence({ version: 1, etag: null, changed: true, collectors, collectors_changed: changed, collectors_refusing: refusing, outcomes: [] } satisfies TemplateChange);
  expect(said(0, 0, 0)).toBe('No collector has these labels.');
  expect(said(1, 0, 0)).toBe('It is for 1 collector; nothing changes for any of them.');
  expect(said(3, 1, 0)).toBe('It is for 3 collectors; 1 of them gets something else.');
  expect(said(3, 1, 2)).toBe('It is for 3 collectors; 2 would refuse what they get, so it cannot be saved.');
});
