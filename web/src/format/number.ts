/**
 * Numbers as the pages write them. Each function answers value and unit apart, so that a table
 * can keep units in a slot of their own; `text` joins them. Unmeasured values never come here.
 */
export interface Figure {
  value: string;
  unit: string;
}

/** Keeps number and unit on one line. */
const SPACE = '\u00a0';
const MINUS = '\u2212';
const grouped = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

export function text(figure: Figure): string {
  if (figure.unit === '') return figure.value;
  return `${figure.value}${SPACE}${figure.unit}`;
}

function negative(value: number, format: (positive: number) => Figure): Figure {
  const figure = format(-value);
  return { value: MINUS + figure.value, unit: figure.unit };
}

/** Three significant digits of a value from 1 up to 1000. */
function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

const DURATIONS = [
  { ms: 86_400_000, unit: 'd', next: { ms: 3_600_000, unit: 'h', per: 24 } },
  { ms: 3_600_000, unit: 'h', next: { ms: 60_000, unit: 'min', per: 60 } },
  { ms: 60_000, unit: 'min', next: { ms: 1000, unit: 's', per: 60 } },
];

/** Milliseconds: three digits to 60 s, then two units, one from 10 up. */
export function duration(ms: number): Figure {
  if (ms < 0) return negative(ms, duration);
  if (ms === 0) return { value: '0', unit: 's' };
  if (ms < 0.0005) return { value: '< 1', unit: 'µs' };
  // PostgreSQL counts in whole microseconds; a digit behind the point would be of a mean.
  if (ms < 0.0095) return { value: (ms * 1000).toFixed(0), unit: 'µs' };
  if (ms < 0.9995) return { value: threeDigits(ms * 1000), unit: 'µs' };
  if (ms < 999.5) return { value: threeDigits(ms), unit: 'ms' };
  if (ms < 59_950) return { value: threeDigits(ms / 1000), unit: 's' };
  for (const { ms: size, unit, next } of DURATIONS) {
    // Rounded to the smaller unit first, so that 59 min 59.9 s becomes 1 h and not 60 min.
    const small = Math.round(ms / next.ms);
    if (small < next.per) continue;
    const whole = ms / size;
    if (whole >= 9.95) return { value: grouped.format(Math.round(whole)), unit };
    const rest = small % next.per;
    const lead = Math.floor(small / next.per);
    return rest === 0 ? { value: String(lead), unit } : { value: `${lead}${SPACE}${unit}${SPACE}${rest}`, unit: next.unit };
  }
  return { value: '1', unit: 'min' };
}

/** Lags and ages: whole milliseconds, whole seconds, then as a duration. */
export function coarse(ms: number): Figure {
  if (ms < 0) return negative(ms, coarse);
  if (ms > 0 && ms < 0.5) return { value: '< 1', unit: 'ms' };
  if (ms === 0) return { value: '0', unit: 's' };
  if (ms < 999.5) return { value: ms.toFixed(0), unit: 'ms' };
  if (ms < 59_500) return { value: (ms / 1000).toFixed(0), unit: 's' };
  return duration(ms);
}

/** How long ago something was, for cells with little room: the largest unit, begun ones left out. */
export function wholeUnit(ms: number): Figure {
  const fits = DURATIONS.find((one) => ms >= one.ms);
  return fits === undefined ? { value: String(Math.floor(ms / 1000)), unit: 's' } : { value: grouped.format(Math.floor(ms / fits.ms)), unit: fits.unit };
}

const COUNTS = [
  { size: 1e12, unit: 'T' },
  { size: 1e9, unit: 'G' },
  { size: 1e6, unit: 'M' },
  { size: 1e3, unit: 'k' },
];

/** In full below 10,000, then three digits. */
export function count(value: number): Figure {
  if (value < 0) return negative(value, count);
  if (value < 9999.5) return { value: grouped.format(Math.round(value)), unit: '' };
  for (const { size, unit } of COUNTS) {
    if (value >= size * 0.9995) return { value: threeDigits(value / size), unit };
  }
  return { value: grouped.format(value), unit: '' };
}

/** A mean of counts, such as rows per call: three digits below 1000. */
export function average(value: number): Figure {
  if (value < 0) return negative(value, average);
  if (value === 0) return { value: '0', unit: '' };
  if (value < 0.005) return { value: '< 0.01', unit: '' };
  if (Number.isInteger(value) || value >= 999.5) return count(value);
  return { value: threeDigits(value), unit: '' };
}

/** Per second; per minute when that is below 0.1 a second. `what` names the things counted. */
export function rate(perSecond: number, what = ''): Figure {
  const per = (unit: string): string => (what === '' ? unit : `${what}${unit}`);
  if (perSecond === 0) return { value: '0', unit: per('/s') };
  if (perSecond < 0.1) {
    const minute = perSecond * 60;
    return minute < 0.1 ? { value: '< 0.1', unit: per('/min') } : { value: short(minute), unit: per('/min') };
  }
  const figure = perSecond < 9.95 ? { value: short(perSecond), unit: '' } : count(perSecond);
  if (figure.unit === '') return { value: figure.value, unit: per('/s') };
  return { value: figure.value, unit: what === '' ? `${figure.unit}/s` : `${figure.unit}${SPACE}${per('/s')}` };
}

/** One decimal below 10, none when it would be a zero. */
function short(value: number): string {
  return value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : grouped.format(Math.round(value));
}

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function binary(value: number, digits: (scaled: number) => string): Figure {
  let scaled = value;
  let unit = 0;
  while (scaled >= 1023.5 && unit < BYTES.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const whole = Number.isInteger(scaled) || unit === 0;
  return { value: whole ? grouped.format(Math.round(scaled)) : digits(scaled), unit: BYTES[unit] ?? 'B' };
}

/** IEC units, three digits. */
export function bytes(value: number): Figure {
  if (value < 0) return negative(value, bytes);
  return binary(value, (scaled) => (scaled >= 999.5 ? grouped.format(scaled) : threeDigits(scaled)));
}

/** Bytes per second, one decimal below 10. */
export function byteRate(perSecond: number): Figure {
  if (perSecond > 0 && perSecond < 0.5) return { value: '< 1', unit: 'B/s' };
  const figure = binary(perSecond, short);
  return { value: figure.value, unit: `${figure.unit}/s` };
}

/** Time per second, such as time in I/O: the unit of the time is the value's own. */
export function timeRate(msPerSecond: number): Figure {
  const figure = msPerSecond === 0 ? { value: '0', unit: 'ms' } : duration(msPerSecond);
  return { value: figure.value, unit: `${figure.unit}/s` };
}

/** A ratio (1 is 100 %): one decimal below 10, two above 99. */
export function percent(ratio: number): Figure {
  const value = ratio * 100;
  const unit = '%';
  if (value < 0) return negative(ratio, percent);
  if (value === 0) return { value: '0', unit };
  if (value < 0.1) return { value: '< 0.1', unit };
  if (value < 9.95) return { value: value.toFixed(1), unit };
  if (value === 100) return { value: '100', unit };
  // Cut, not rounded: 100 % is only what is all of it.
  if (value > 99 && value < 100) return { value: (Math.floor(value * 100) / 100).toFixed(2), unit };
  return { value: grouped.format(Math.round(value)), unit };
}

/** From the earlier value to this one: percent, a factor from three times on. */
export function change(now: number, before: number): Figure {
  if (before === 0) return { value: now === 0 ? '±0' : 'new', unit: now === 0 ? '%' : '' };
  const factor = now / before;
  if (factor >= 3) return { value: `×${factor < 9.95 ? factor.toFixed(1) : grouped.format(Math.round(factor))}`, unit: '' };
  const points = (factor - 1) * 100;
  if (Math.abs(points) < 0.05) return { value: '±0', unit: '%' };
  const size = Math.abs(points) < 0.95 ? Math.abs(points).toFixed(1) : Math.abs(points).toFixed(0);
  return { value: (points < 0 ? MINUS : '+') + size, unit: '%' };
}

/** Every digit there is, for hovers. */
export function exact(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.000_001) return `${value < 0 ? MINUS : ''}< 0.000001`;
  return new Intl.NumberFormat('en-GB', { maximumFractionDigits: 6 }).format(value);
}
