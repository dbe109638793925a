/** Parts of a range in which nothing was read, in sentences. Pure. */
import type { FlaggedInterval, Gap } from '../api/model';
import { coarse, text } from '../format/number';
import { inZone, type Zone } from '../time/zone';

export interface GapSentence {
  text: string;
  /** Every gap behind the sentence, where there are several. */
  details: string[];
}

const MANY: Record<Gap['reason'], string> = {
  collector: 'Nothing was read',
  unreachable: 'PostgreSQL could not be reached',
  failed: 'A reading failed',
  not_available: 'Something is not there',
  switched_off: 'Something is switched off',
  no_right: 'The role may not read something',
  not_read: 'Something was not read',
  not_watched: 'Not watched',
};

/** One sentence per reason; many gaps of one reason are counted, and listed behind it. */
export function gapSentences(gaps: readonly Gap[], zone: Zone, now: number): GapSentence[] {
  const groups = new Map<Gap['reason'], Gap[]>();
  for (const gap of gaps) groups.set(gap.reason, [...(groups.get(gap.reason) ?? []), gap]);
  return [...groups].map(([reason, group]) => {
    const details = group.map((gap) => inZone(gap.message, zone, now));
    if (details.length === 1) return { text: details[0] ?? '', details: [] };
    const length = group.reduce((sum, gap) => sum + Date.parse(gap.end) - Date.parse(gap.start), 0);
    return { text: `${MANY[reason]} in ${group.length} parts of this range, ${text(coarse(length))} in all.`, details };
  });
}

/** Gaps of the page's own figures that those of the instance do not tell. */
export function gapsBeside(own: readonly Gap[], instance: readonly Gap[]): Gap[] {
  const overlap = (one: Gap, other: Gap) => Date.parse(one.start) < Date.parse(other.end) && Date.parse(other.start) < Date.parse(one.end);
  return own.filter((gap) => !instance.some((other) => overlap(gap, other)));
}

/** What a chart marks: what happened, and where nothing was read. */
export function marks(flags: readonly FlaggedInterval[], gaps: readonly Gap[]): FlaggedInterval[] {
  // The collector tells of its own gaps as well, without the reason.
  const happened = flags.filter((flag) => flag.reason !== 'gap');
  return [...happened, ...gaps.map(({ start, end, message }) => ({ start, end, message, reason: 'gap', entries_total: 0 }))];
}
