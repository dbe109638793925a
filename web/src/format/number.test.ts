import { describe, expect, test } from 'vitest';
import * as number from './number';

/** What each kind of number looks like: [function, value, text]; spaces stand for no-break spaces. */
const CASES: [string, () => number.Figure, string][] = [
  ['duration', () => number.duration(0), '0 s'],
  ['duration', () => number.duration(0.0001), '< 1 µs'],
  ['duration', () => number.duration(0.007), '7 µs'],
  ['duration', () => number.duration(0.0099), '9.90 µs'],
  ['duration', () => number.duration(0.00949), '9 µs'],
  ['wholeUnit', () => number.wholeUnit(59_990), '59 s'],
  ['wholeUnit', () => number.wholeUnit(60_000), '1 min'],
  ['wholeUnit', () => number.wholeUnit(7_980_000), '2 h'],
  ['wholeUnit', () => number.wholeUnit(4 * 86_400_000 + 1), '4 d'],
  ['timeRate', () => number.timeRate(0.0099), '9.90 µs/s'],
  ['timeRate', () => number.timeRate(0), '0 ms/s'],
  ['duration', () => number.duration(0.0123), '12.3 µs'],
  ['duration', () => number.duration(0.85), '850 µs'],
  ['duration', () => number.duration(0.9996), '1.00 ms'],
  ['duration', () => number.duration(12.3), '12.3 ms'],
  ['duration', () => number.duration(58.1), '58.1 ms'],
  ['duration', () => number.duration(999.4), '999 ms'],
  ['duration', () => number.duration(999.6), '1.00 s'],
  ['duration', () => number.duration(1240), '1.24 s'],
  ['duration', () => number.duration(59_940), '59.9 s'],
  ['duration', () => number.duration(59_960), '1 min'],
  ['duration', () => number.duration(108_000), '1 min 48 s'],
  ['duration', () => number.duration(250_000), '4 min 10 s'],
  ['duration', () => number.duration(12 * 60_000 + 20_000), '12 min'],
  ['duration', () => number.duration(59.9 * 60_000), '1 h'],
  ['duration', () => number.duration(3_600_000), '1 h'],
  ['duration', () => number.duration(3_600_000 * 2.5), '2 h 30 min'],
  ['duration', () => number.duration(3_600_000 * 13), '13 h'],
  ['duration', () => number.duration(86_400_000 * 41), '41 d'],
  ['duration', () => number.duration(-250_000), '−4 min 10 s'],
  ['coarse', () => number.coarse(48_000), '48 s'],
  ['coarse', () => number.coarse(2.2), '2 ms'],
  ['coarse', () => number.coarse(0.2), '< 1 ms'],
  ['coarse', () => number.coarse(12 * 60_000), '12 min'],
  ['count', () => number.count(0), '0'],
  ['count', () => number.count(1240), '1,240'],
  ['count', () => number.count(9999), '9,999'],
  ['count', () => number.count(10_000), '10.0 k'],
  ['count', () => number.count(12_400), '12.4 k'],
  ['count', () => number.count(999_600), '1.00 M'],
  ['count', () => number.count(3_100_000), '3.10 M'],
  ['count', () => number.count(9_007_199_254_740_991), '9007 T'],
  ['average', () => number.average(0), '0'],
  ['average', () => number.average(0.001), '< 0.01'],
  ['average', () => number.average(1.5), '1.50'],
  ['average', () => number.average(3), '3'],
  ['average', () => number.average(1240.4), '1,240'],
  ['rate', () => number.rate(1240, 'rows'), '1,240 rows/s'],
  ['rate', () => number.rate(0.05), '3 /min'],
  ['rate', () => number.rate(0.0001), '< 0.1 /min'],
  ['rate', () => number.rate(0), '0 /s'],
  ['rate', () => number.rate(2.34), '2.3 /s'],
  ['rate', () => number.rate(12_400), '12.4 k/s'],
  ['rate', () => number.rate(12_400, 'rows'), '12.4 k rows/s'],
  ['bytes', () => number.bytes(0), '0 B'],
  ['bytes', () => number.bytes(8192), '8 KiB'],
  ['bytes', () => number.bytes(4.1 * 2 ** 30), '4.10 GiB'],
  ['bytes', () => number.bytes(210 * 2 ** 20), '210 MiB'],
  ['bytes', () => number.bytes(1023.9 * 1024), '1.00 MiB'],
  ['byteRate', () => number.byteRate(2.3 * 2 ** 20), '2.3 MiB/s'],
  ['byteRate', () => number.byteRate(0.2), '< 1 B/s'],
  ['byteRate', () => number.byteRate(0), '0 B/s'],
  ['percent', () => number.percent(0), '0 %'],
  ['percent', () => number.percent(0.0004), '< 0.1 %'],
  ['percent', () => number.percent(0.042), '4.2 %'],
  ['percent', () => number.percent(0.38), '38 %'],
  ['percent', () => number.percent(0.99), '99 %'],
  ['percent', () => number.percent(0.9982), '99.82 %'],
  ['percent', () => number.percent(0.99999), '99.99 %'],
  ['percent', () => number.percent(1), '100 %'],
  ['change', () => number.change(112, 100), '+12 %'],
  ['change', () => number.change(69, 100), '−31 %'],
  ['change', () => number.change(340, 100), '×3.4'],
  ['change', () => number.change(3100, 100), '×31'],
  ['change', () => number.change(100, 100), '±0 %'],
  ['change', () => number.change(5, 0), 'new'],
];

describe('numbers', () => {
  test.each(CASES.map(([kind, figure, wanted]) => ({ kind, figure, wanted })))('$kind $wanted', ({ figure, wanted }) => {
    expect(number.text(figure()).replaceAll('\u00a0', ' ')).toBe(wanted);
  });
});

test('no value of any size is written as a power of ten', () => {
  const formats = { duration: number.duration, coarse: number.coarse, count: number.count, average: number.average, rate: number.rate, bytes: number.bytes, byteRate: number.byteRate, percent: number.percent, timeRate: number.timeRate };
  for (let power = -9; power <= 17; power += 1) {
    for (const lead of [1, 1.234, 4.999, 9.4, 9.5, 9.949, 9.96, 9.996, 9.9999]) {
      const value = lead * 10 ** power;
      for (const [name, format] of Object.entries(formats)) {
        expect(`${name} ${number.text(format(value))}`).not.toMatch(/\de[+-]?\d/);
      }
      expect(number.exact(value)).not.toMatch(/e/i);
    }
  }
});
