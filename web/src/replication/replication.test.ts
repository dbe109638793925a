import { expect, test } from 'vitest';
import type { Replication, Standby, WalReceiver } from '../api/model';
import { heading, lagCharts, lagWords, larger, ownLagWords, receiverNotice, sortOf, withSort } from './replication';

const RECEIVER = { at: '2026-11-21T10:00:00Z', connected: true, replay_lag_ms: 0, behind_bytes: 0, idle: true, unmeasured: {} } as WalReceiver;

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
  return { role: 'primary', at: '2026-11-21T10:00:00Z', standbys: [], receivers: [], receiver: null, receiver_series: null, cluster: [], ...change } as Replication;
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
  expect(heading(replication({ standbys: [standby('two', { idle: null })] }), 'prod-1')).toBe('How far two is behind is not known');
  const between = standby('two', { idle: false, replay_lag_ms: 0, replay_behind_bytes: 16 });
  expect(heading(replication({ standbys: [between] }), 'prod-1'), 'no lag to speak of is not idle').toBe('Worst replay lag 0\u00a0s (two)');
});

test('a standby says its own lag, a cascading one also that of its own standbys', () => {
  const own = { ...RECEIVER, idle: false, replay_lag_ms: 61_000, behind_bytes: 1024 };
  expect(heading(replication({ role: 'standby', receiver: own }), 'prod-2')).toBe('Worst replay lag 1\u00a0min\u00a01\u00a0s (prod-2)');
  expect(heading(replication({ role: 'standby', receiver: RECEIVER }), 'prod-2')).toBe('prod-2 is idle: all is replayed');
  const alone = { ...RECEIVER, connected: false, idle: null, replay_lag_ms: null, behind_bytes: null };
  expect(heading(replication({ role: 'standby', receiver: alone }), 'prod-2')).toBe('How far prod-2 is behind is not known');
  expect(ownLagWords(own)).toBe('1\u00a0min\u00a01\u00a0s, 1\u00a0KiB');
  expect(ownLagWords(alone)).toBe('lag not known');
  const cascading = replication({ receiver: own, standbys: [standby('three')], receiver_series: { replay_lag_ms: [5, null], behind_bytes: [1, null] } });
  const [lag] = lagCharts(cascading, 'prod-2');
  expect(lag?.series.map((one) => [one.name, one.color])).toEqual([['three replay', 1], ['three flush', 2], ['three write', 3], ['prod-2 replay', 4]]);
});

test('a standby without a receiver says whose position counts, or why nobody knows', () => {
  const moment = (time: string) => time.slice(11, 19);
  expect(receiverNotice(RECEIVER, moment)).toBeNull();
  const shipped = { ...RECEIVER, connected: false, idle: false, behind_bytes: 6_710_880, replay_lag_ms: 95_000, primary: { id: 1, name: 'prod-1' } };
  const replayed = { last_replayed_at: '2026-11-21T09:58:00Z', last_replay_age_ms: 120_000 };
  expect(receiverNotice({ ...shipped, ...replayed }, moment)).toBe(
    'No WAL receiver runs here: what is replayed comes from an archive or was received before. How far it is behind is by the position of prod-1. '
      + 'The last replayed transaction is of 09:58:00, 2\u00a0min before.',
  );
  expect(heading(replication({ role: 'standby', receiver: shipped }), 'prod-2')).toBe('Worst replay lag 1\u00a0min\u00a035\u00a0s (prod-2)');
  expect(heading(replication({ role: 'standby', receiver: { ...RECEIVER, connected: false } }), 'prod-2')).toBe('prod-2 is idle: all is replayed');
  const why = { code: 'not_enough_data', message: 'No WAL receiver runs, and its primary is not watched.' };
  const alone = { ...RECEIVER, connected: false, idle: null, behind_bytes: null, replay_lag_ms: null, unmeasured: { replay_lag_ms: why } };
  expect(receiverNotice(alone, moment)).toBe('How far replay is behind is not known: No WAL receiver runs, and its primary is not watched.');
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
