import { describe, expect, test } from 'vitest';
import { parseSearch, stringifySearch, validSearch } from '../shell/search';
import { safeNext } from '../session/next';
import { isAhead, lengthLabel, momentOf, rangeLabel, rangeOf, resolve, shifted, widened, zoomed } from './range';
import { exactMoment, fromWall, inZone, near, span, wall } from './zone';

const NOW = Date.parse('2026-11-21T10:00:00Z');
const at = (time: string): number => Date.parse(`2026-11-21T${time}Z`);

describe('range', () => {
  test('defaults to the last hour, also for nonsense', () => {
    for (const search of [{}, { range: '0m' }, { range: 'soon' }, { range: '9999d' }, { start: 'x', end: 'y' }]) {
      expect(resolve(rangeOf(search), NOW)).toEqual({ start: at('09:00:00'), end: NOW, untilNow: true });
    }
  });

  test('takes two instants, in order', () => {
    const search = { start: '2026-11-21T08:00:00Z', end: '2026-11-21T08:30:00Z' };
    expect(resolve(rangeOf(search), NOW)).toEqual({ start: at('08:00:00'), end: at('08:30:00') });
    expect(rangeOf({ start: search.end, end: search.start }).kind).toBe('last');
  });

  test('a zoom keeps the preset for Resume and rounds outwards to seconds', () => {
    const search = zoomed(rangeOf({ range: '6h' }), { start: at('08:00:00') + 400, end: at('08:10:00') + 1 });
    expect(search).toEqual({ range: '6h', start: '2026-11-21T08:00:00Z', end: '2026-11-21T08:10:01Z' });
    expect(rangeOf(search)).toMatchObject({ kind: 'absolute', last: '6h' });
  });

  test('a zoom never gets shorter than ten seconds', () => {
    const search = zoomed(rangeOf({}), { start: at('08:00:00'), end: at('08:00:01') });
    expect(search.end).toBe('2026-11-21T08:00:10Z');
  });

  test('back, forward and out, never past now', () => {
    expect(shifted(rangeOf({}), -1, NOW)).toMatchObject({ start: '2026-11-21T08:00:00Z', end: '2026-11-21T09:00:00Z' });
    const old = rangeOf({ start: '2026-11-21T08:30:00Z', end: '2026-11-21T09:30:00Z' });
    expect(shifted(old, 1, NOW)).toMatchObject({ start: '2026-11-21T09:00:00Z', end: '2026-11-21T10:00:00Z' });
    expect(widened(old, NOW)).toMatchObject({ start: '2026-11-21T08:00:00Z', end: '2026-11-21T10:00:00Z' });
    expect(widened(rangeOf({}), NOW)).toMatchObject({ start: '2026-11-21T08:00:00Z', end: '2026-11-21T10:00:00Z' });
  });

  test('a range ends now, at a moment that is gone by, or has not begun', () => {
    const range = (start: string, end: string) => rangeOf({ start: `2026-11-21T${start}Z`, end: `2026-11-21T${end}Z` });
    expect(momentOf(rangeOf({}), NOW)).toBeNull();
    expect([momentOf(range('09:00:00', '09:59:45'), NOW), momentOf(range('09:00:00', '09:59:00'), NOW)]).toEqual([null, at('09:59:00')]);
    expect(momentOf(range('09:00:00', '12:00:00'), NOW)).toBeNull();
    expect([isAhead(range('10:00:00', '11:00:00'), NOW), isAhead(range('09:59:00', '11:00:00'), NOW)]).toEqual([true, false]);
  });

  test('labels', () => {
    expect(rangeLabel(rangeOf({ range: '15m' }), 'utc', NOW)).toBe('15 min');
    expect(rangeLabel(rangeOf({ start: '2026-11-21T08:00:00Z', end: '2026-11-21T08:30:00Z' }), 'utc', NOW)).toBe(
      '08:00 – 08:30',
    );
    expect(lengthLabel(3_600_000)).toBe('1 h');
    expect(lengthLabel(17 * 60_000)).toBe('17 min');
    expect(lengthLabel(45_000)).toBe('45 s');
    expect(lengthLabel(30 * 86_400_000)).toBe('30 d');
  });
});

describe('zone', () => {
  test('writes and reads wall time', () => {
    expect(wall(NOW, 'utc')).toBe('2026-11-21 10:00:00');
    expect(fromWall('2026-11-21 10:00', 'utc', 0)).toBe(NOW);
    expect(fromWall('2026-11-21T10:00:00Z', 'browser', 0)).toBe(NOW);
    expect(fromWall(' 09:30 ', 'utc', NOW)).toBe(at('09:30:00'));
    expect(fromWall('2026-11-21', 'utc', NOW)).toBe(at('00:00:00'));
    expect(fromWall(wall(NOW, 'browser'), 'browser', NOW)).toBe(NOW);
  });

  test.each(['', 'soon', '25:00', '10:61', '2026-02-30 10:00', '2026-13-01', '10'])('refuses %j', (text) => {
    expect(fromWall(text, 'utc', NOW)).toBeNull();
  });

  test('moments in sentences are of the reader, with their days unless all are of today', () => {
    const told = 'Down since 2026-11-21 08:48:07 UTC, read at 2026-11-20 23:00:00 UTC: refused by 10.0.0.1:5432.';
    expect(inZone(told, 'utc', NOW)).toBe('Down since 21 Nov 08:48:07, read at 20 Nov 23:00:00: refused by 10.0.0.1:5432.');
    expect(inZone('Down since 2026-11-21 08:48:07 UTC.', 'utc', NOW)).toBe('Down since 08:48:07.');
    expect(inZone('No moment at all.', 'utc', NOW)).toBe('No moment at all.');
  });

  test('names days only where they matter', () => {
    expect(span(at('09:00:00'), at('10:00:00'), 'utc', NOW)).toBe('09:00–10:00');
    expect(span(at('09:58:00'), at('10:00:00'), 'utc', NOW)).toBe('09:58:00–10:00:00');
    expect(span(at('09:00:00') - 86_400_000, at('10:00:00'), 'utc', NOW)).toBe('20 Nov 09:00–21 Nov 10:00');
  });

  test('names the year where it is not this one', () => {
    const later = Date.parse('2030-10-25T05:45:00Z');
    expect(span(later, later + 3_600_000, 'utc', NOW)).toBe('25 Oct 2030 05:45–06:45');
    expect([near(later, 'utc', NOW), exactMoment(later, 'utc', later)]).toEqual(['25 Oct 2030 05:45:00', '25 Oct 05:45:00']);
    // The same day of another year is not today.
    expect(near(NOW - 365 * 86_400_000, 'utc', NOW)).toBe('21 Nov 2025 10:00:00');
  });
});

describe('search', () => {
  test('round trip, readable, unknown keys dropped', () => {
    const text = stringifySearch({ start: '2026-11-21T08:00:00Z', q: 'a & b', bad: 'x', cols: 'a,b' });
    expect(text).toBe('?start=2026-11-21T08:00:00Z&cols=a,b&q=a+%26+b');
    expect(validSearch(parseSearch(`${text}&bad=1`))).toEqual({
      start: '2026-11-21T08:00:00Z',
      q: 'a & b',
      cols: 'a,b',
    });
  });

  test('after sign-in only paths of our own', () => {
    expect(safeNext('/instances/1/queries?range=6h')).toBe('/instances/1/queries?range=6h');
    for (const bad of [undefined, 'https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
      expect(safeNext(bad)).toBe('/');
    }
  });
});
