/** Instants as a person reads them, in the zone the URL names. 24 hours always. */
export type Zone = 'browser' | 'utc';

const LOCALE = 'en-GB';
const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: Zone, key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const id = `${zone}|${key}`;
  let known = formats.get(id);
  if (known === undefined) {
    known = new Intl.DateTimeFormat(LOCALE, {
      ...options,
      hourCycle: 'h23',
      ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
    });
    formats.set(id, known);
  }
  return known;
}

/** `10:32:00` */
export function clock(ms: number, zone: Zone): string {
  return format(zone, 'clock', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(ms);
}

/** `10:32` */
export function minute(ms: number, zone: Zone): string {
  return format(zone, 'minute', { hour: '2-digit', minute: '2-digit' }).format(ms);
}

/** `21 Nov`; in any other year than that of `now` `21 Nov 2030`. */
export function day(ms: number, zone: Zone, now = Date.now()): string {
  const year = format(zone, 'year', { year: 'numeric' });
  const short = format(zone, 'day', { day: 'numeric', month: 'short' }).format(ms);
  return year.format(ms) === year.format(now) ? short : `${short} ${year.format(ms)}`;
}

/** `21 Nov 10:32` */
export function moment(ms: number, zone: Zone, now = Date.now()): string {
  return `${day(ms, zone, now)} ${minute(ms, zone)}`;
}

/** `21 Nov 10:32:00` */
export function exactMoment(ms: number, zone: Zone, now = Date.now()): string {
  return `${day(ms, zone, now)} ${clock(ms, zone)}`;
}

/** A moment as sentences of the server have it. */
const IN_SENTENCES = /\b(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC\b/g;

const isToday = (ms: number, zone: Zone, now: number): boolean => day(ms, zone, now) === day(now, zone, now);

/** `10:32:00`, with its day on any other than today. */
export function near(ms: number, zone: Zone, now: number): string {
  return isToday(ms, zone, now) ? clock(ms, zone) : exactMoment(ms, zone, now);
}

/** A sentence of the server with its moments as the reader's clock has them: with their days unless all are of today. */
export function inZone(sentence: string, zone: Zone, now: number): string {
  const instant = (date: string, time: string) => Date.parse(`${date}T${time}Z`);
  const all = [...sentence.matchAll(IN_SENTENCES)].map(([, date = '', time = '']) => instant(date, time));
  const today = all.every((ms) => isToday(ms, zone, now));
  return sentence.replaceAll(IN_SENTENCES, (_, date: string, time: string) =>
    today ? clock(instant(date, time), zone) : exactMoment(instant(date, time), zone, now),
  );
}

/** `10:00 and 11:00`, with days as soon as the two differ or lie on another day than `now`. */
export function span(start: number, end: number, zone: Zone, now: number, between = '–'): string {
  const seconds = end - start < 10 * 60_000;
  const time = seconds ? clock : minute;
  const days = { start: day(start, zone, now), end: day(end, zone, now) };
  if (days.start === days.end && isToday(start, zone, now)) return `${time(start, zone)}${between}${time(end, zone)}`;
  if (days.start === days.end) return `${days.start} ${time(start, zone)}${between}${time(end, zone)}`;
  return `${days.start} ${time(start, zone)}${between}${days.end} ${time(end, zone)}`;
}

/** How far the zone's wall clock is ahead of UTC at an instant. */
function offset(ms: number, zone: Zone): number {
  return zone === 'utc' ? 0 : -new Date(ms).getTimezoneOffset() * 60_000;
}

/** `2026-11-21 10:32:00`, what the absolute fields show and take. */
export function wall(ms: number, zone: Zone): string {
  return new Date(ms + offset(ms, zone)).toISOString().slice(0, 19).replace('T', ' ');
}

const WALL = /^(?:(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]+|$))?(?:(\d{1,2}):(\d{2})(?::(\d{2}))?)?(Z)?$/;

/** Reads `2026-11-21 10:32:00`, `2026-11-21` or `10:32` (today); null when it is none of them. */
export function fromWall(text: string, zone: Zone, now: number): number | null {
  const match = WALL.exec(text.trim());
  if (match === null || (match[1] === undefined && match[4] === undefined)) return null;
  const read: Zone = match[7] === 'Z' ? 'utc' : zone;
  const today = wall(now, read).slice(0, 10).split('-').map(Number);
  const [year, month, date] = match[1] === undefined ? today : [match[1], match[2], match[3]].map(Number);
  const [hour, minutes, seconds] = [match[4], match[5], match[6]].map((part) => Number(part ?? 0));
  if (year === undefined || month === undefined || date === undefined) return null;
  if (month < 1 || month > 12 || date < 1 || date > 31) return null;
  if ((hour ?? 0) > 23 || (minutes ?? 0) > 59 || (seconds ?? 0) > 59) return null;
  const utc = Date.UTC(year, month - 1, date, hour, minutes, seconds);
  if (new Date(utc).getUTCDate() !== date) return null;
  return utc - offset(utc - offset(utc, read), read);
}
