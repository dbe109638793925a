import { expect, test } from 'vitest';
import type { Collector, ConfigVersion } from '../api/model';
import { collectorsHeading, followSentence, followText, labelsText, parseLabels, whySentence } from './steering';

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

test('a version says who and why', () => {
  const said = (why: ConfigVersion['why'], by = 'ada', restored_from: number | null = null) => whySentence({ why, restored_from }, by);
  expect(said('written')).toBe('ada wrote it');
  expect(said('restored', 'ada', 1)).toBe('ada restored version 1');
  expect(said('template')).toBe('ada changed a template');
  expect(said('custom_set')).toBe('ada changed a custom set');
  expect(said('registered', 'the server')).toBe('the collector registered');
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
