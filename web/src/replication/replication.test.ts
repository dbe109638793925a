import { expect, test } from 'vitest';
import type { Replication, Standby, WalReceiver } from '../api/model';
import { heading, lagCharts, lagWords, larger, ownLagWords, sortOf, withSort } from './replication';

const RECEIVER = { at: '2026-11-21T10:00:00Z', connected: true, replay_lag_ms: 0, not_replayed_bytes: 0, idle: true } as WalReceiver;

function standby(name: string, change: Partial<Standby> = {}): Standby {
  return {
    application_name: name, pid: 1, idle: true, write_lag_ms: null, flush_lag_ms: null, replay_lag_ms: null, replay_behind_bytes: 0,
    series: {
      write_lag_ms: [0, null], flush_lag_ms: [0, null], replay_lag_ms: [0, null], own_replay_lag_ms: null, write_behind_bytes: [0, null],
      flush_behind_bytes: [0, null], replay_behind_bytes: [0, null],
    },
    ...change,
  } as Standby;
}

function replication(change: Partial<Replication> = {}): Replication {
  return { role: 'primary', at: '2026-11-21T10:00:00Z', standbys: [], receiver: null, receiver_series: null, cluster: [], ...change } as Replication;
}

const LAGGING = standby('two', { idle: false, write_lag_ms: 2, flush_lag_ms: 3, replay_lag_ms: 40, replay_behind_bytes: 220_200_960 });

test('the heading names who lags worst, by the longer of both accounts', () => {
  const paused = { ...LAGGING, instance: { id: 2, name: 'prod-2' }, receiver: { ...RECEIVER, idle: false, replay_lag_ms: 48_200 } };
  expect(heading(replication({ standbys: [standby('three'), paused] }), 'prod-1')).toBe('Worst replay lag 48\u00a0s (prod-2)');
  expect(lagWords(paused)).toBe('2\u00a0ms / 3\u00a0ms / 48\u00a0s, 210\u00a0MiB');
  expect(lagWords(standby('three'))).toBe('0 B, idle');
});

test('idle, unknown and nobody are three things', () => {
  expect(heading(replication(), 'prod-1')).toBe('No standby streams from here');
  expect(heading(replication({ at: null }), 'prod-1')).toBe('Replication');
  expect(heading(replication({ standbys: [standby('two')] }), 'prod-1')).toBe('two is idle: all is replayed');
  expect(heading(replication({ standbys: [standby('two'), standby('three')] }), 'prod-1')).toBe('2 standbys, idle');
  expect(heading(replication({ standbys: [standby('two', { idle: null })] }), 'prod-1')).toBe('1 standby, lag not known');
});

test('a standby says its own lag, a cascading one also that of its own standbys', () => {
  const own = { ...RECEIVER, idle: false, replay_lag_ms: 61_000, not_replayed_bytes: 1024 };
  expect(heading(replication({ role: 'standby', receiver: own }), 'prod-2')).toBe('Worst replay lag 1\u00a0min\u00a01\u00a0s (prod-2)');
  expect(heading(replication({ role: 'standby', receiver: RECEIVER }), 'prod-2')).toBe('prod-2 is idle: all is replayed');
  const alone = { ...RECEIVER, connected: false, idle: null, replay_lag_ms: null, not_replayed_bytes: null };
  expect(heading(replication({ role: 'standby', receiver: alone }), 'prod-2')).toBe('prod-2 receives nothing');
  expect(ownLagWords(own)).toBe('1\u00a0min\u00a01\u00a0s, 1\u00a0KiB');
  expect(ownLagWords(alone)).toBe('lag not known');
  const cascading = replication({ receiver: own, standbys: [standby('three')], receiver_series: { replay_lag_ms: [5, null], not_replayed_bytes: [1, null] } });
  const [lag] = lagCharts(cascading, 'prod-2');
  expect(lag?.series.map((one) => [one.name, one.color])).toEqual([['three replay', 1], ['three flush', 2], ['three write', 3], ['prod-2 replay', 4]]);
});

test('a gap stays a gap, and two of one name are told apart', () => {
  expect(larger([1, null, null, 4], [2, 3, null, 1])).toEqual([2, 3, null, 4]);
  const [lag] = lagCharts(replication({ standbys: [standby('two', { pid: 8 }), standby('two', { pid: 7 })] }), 'prod-1');
  expect(lag?.series.map((one) => one.name)).toEqual([
    'two (7) replay', 'two (7) flush', 'two (7) write', 'two (8) replay', 'two (8) flush', 'two (8) write',
  ]);
  const many = ['a', 'b', 'c', 'd'].map((name) => standby(name));
  expect(lagCharts(replication({ standbys: many }), 'prod-1')[1]?.series.map((one) => one.name)).toEqual(['a replay', 'b replay', 'c replay', 'd replay']);
});

test('each table keeps its own order in the URL', () => {
  const slots = [{ id: 'slot_retained' }, { id: 'slot_name' }];
  const other = { id: 'slot_retained', descending: true };
  expect(sortOf('-replay_behind,slot_name', slots, other)).toEqual({ id: 'slot_name', descending: false });
  expect(sortOf(undefined, slots, other)).toEqual(other);
  expect(withSort('-replay_behind,slot_name', slots, { id: 'slot_name', descending: true }, other)).toBe('-replay_behind,-slot_name');
  expect(withSort('slot_name', slots, other, other)).toBeUndefined();
});
