import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Connections, SessionSeries, Waits } from '../api/model';
import { layers } from '../charts/chart';
import { statesChart, waitsChart } from './sessionCharts';

const tokens = readFileSync(new URL('../tokens.css', import.meta.url), 'utf8');
const GRID = { start: '2026-11-21T10:00:00Z', step_ms: 10_000, points: 2 };
const series = (name: string, values: (number | null)[]): SessionSeries => ({ name, mean: 1, share: 0.5, values });
const WAITS: Waits = {
  grid: GRID, mean: 3, samples: null, flagged_intervals: [], gaps: [], unmeasured: {},
  series: [series('CPU', [1, null]), series('IO', [0, null]), series('Lock', [2, null]), series('Activity', [5, null])],
};

test('classes keep their order and colours; idle processes are no load', () => {
  const chart = waitsChart(WAITS, 8);
  expect(chart.series.map((one) => [one.name, one.token])).toEqual([['CPU', 'wait-cpu'], ['IO', 'wait-io'], ['Lock', 'wait-lock']]);
  expect(chart.limit).toEqual({ value: 8, label: '8 CPUs' });
  expect(waitsChart(WAITS, null)).toMatchObject({ limit: null, unit: 'active sessions; CPU count not known' });
});

test('wait events of one class have colours of their own', () => {
  const events = { ...WAITS, series: [series('relation', [2, null]), series('tuple', [1, null])] };
  expect(waitsChart(events, null).series.map((one) => [one.token, one.color])).toEqual([[undefined, 1], [undefined, 2]]);
});

test('statements stand under their texts, and missed samples are said', () => {
  const samples = { taken: 70, missed: 30, message: '30 of 100 samples were missed' };
  const chart = waitsChart({ ...WAITS, samples, series: [{ ...series('-7', [1, 1]), query: 'select 1' }, series('others', [0, 1])] }, 8);
  expect(chart.series.map((one) => [one.id, one.name])).toEqual([['-7', 'select 1'], ['others', 'others']]);
  expect(chart.unit).toBe('active sessions; 30 of 100 samples were missed');
});

test('every colour is a token', () => {
  const connections: Connections = {
    at: null, total: null, limit: null, reserved: null, states: [], databases: [], users: [], grid: GRID,
    series: ['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)', 'other'].map((name) => series(name, [1, 1])),
    unmeasured: {}, flagged_intervals: [], gaps: [],
  };
  const names = ['CPU', 'IO', 'Client', 'BufferPin', 'IPC', 'Timeout', 'LWLock', 'Lock', 'Extension', 'Other'];
  const all = [...statesChart(connections).series, ...waitsChart({ ...WAITS, series: names.map((name) => series(name, [1, 1])) }, null).series];
  for (const one of all) expect(tokens).toContain(`--${one.token}:`);
  expect(new Set(statesChart(connections).series.map((one) => one.token)).size).toBe(5);
  expect(statesChart(connections).series[3]?.id).toBe('idle-in-transaction-aborted');
});

test('layers stand on those that are shown, and a missing sample is a gap in all', () => {
  const [first, second, third] = layers([[1, 1, null], [2, 2, 2], [4, 4, 4]], [false, true, false], 3);
  expect(first).toEqual({ base: [0, 0, null], top: [1, 1, null] });
  expect(second?.top).toEqual(second?.base);
  expect(third).toEqual({ base: [1, 1, null], top: [5, 5, null] });
  expect(layers([[1]], [true], 1)[0]?.top).toEqual([null]);
});

test('without the privilege the reason stands where the chart would', () => {
  const reason = { code: 'privilege', message: 'Sessions are not readable.', fix: 'grant pg_monitor to x' };
  expect(waitsChart({ ...WAITS, unmeasured: { series: reason } }, null).missing).toEqual({ message: reason.message, fix: reason.fix });
});
