/** Flagged intervals in the exact words the reader gets, once per reason. */
import type { FlaggedInterval } from '../api/model';
import { clock, day, inZone, minute, type Zone } from '../time/zone';

export interface FlagSentence {
  reason: string;
  text: string;
  /** Every interval behind the sentence. */
  details: string[];
}

const SHORT_MS = 120_000;

function times(flag: FlaggedInterval, zone: Zone, now: number): [string, string] {
  const start = Date.parse(flag.start);
  const end = Date.parse(flag.end);
  const time = end - start < SHORT_MS && end - start !== 60_000 ? clock : minute;
  const prefix = day(end, zone) === day(now, zone) ? '' : `${day(start, zone)} `;
  return [prefix + time(start, zone), time(end, zone)];
}

/** One flagged interval as a sentence. */
export function flagSentence(flag: FlaggedInterval, zone: Zone, now: number, things = 'statements'): string {
  const [start, end] = times(flag, zone, now);
  switch (flag.reason) {
    case 'reset':
      return `Statistics were reset at ${end}. Work from ${start} to ${end} may be missing; figures are a lower bound.`;
    case 'evicted':
      return `Entries were evicted between ${start} and ${end}; figures are a lower bound.`;
    case 'restart':
      return `The instance was restarted between ${start} and ${end}; figures are a lower bound.`;
    case 'crash_restart':
      return `The instance crashed and restarted between ${start} and ${end}; figures are a lower bound.`;
    case 'entry_reset':
      return `Statistics of single ${things} were reset between ${start} and ${end}; their figures are a lower bound.`;
    case 'replaced':
      return `Another cluster answers since ${end}: what has a name is told from then on.`;
    default:
      // A gap, or a reason that is younger than these pages.
      return inZone(flag.message, zone, now);
  }
}

const MANY: Partial<Record<string, string>> = {
  reset: 'Statistics were reset',
  evicted: 'Entries were evicted',
  restart: 'The instance was restarted',
  crash_restart: 'The instance crashed and restarted',
  replaced: 'Another cluster answered',
};

/** One sentence per reason; many intervals of one reason are counted, and listed behind it. */
export function flagSentences(flags: FlaggedInterval[], zone: Zone, now: number, things = 'statements'): FlagSentence[] {
  const groups = new Map<string, FlaggedInterval[]>();
  for (const flag of flags) groups.set(flag.reason, [...(groups.get(flag.reason) ?? []), flag]);
  return [...groups].map(([reason, group]) => {
    const sorted = group.toSorted((a, b) => Date.parse(a.start) - Date.parse(b.start));
    const details = sorted.map((flag) => flagSentence(flag, zone, now, things));
    const [first, last] = [sorted[0], sorted.at(-1)];
    if (first === undefined || last === undefined || sorted.length === 1) {
      return { reason, text: details[0] ?? '', details: [] };
    }
    const many = reason === 'entry_reset' ? `Statistics of single ${things} were reset` : MANY[reason];
    const text = `${many ?? 'Something is missing'} in ${sorted.length} intervals between ${times(first, zone, now)[0]} and ${times(last, zone, now)[1]}; figures are a lower bound.`;
    return { reason, text, details };
  });
}
