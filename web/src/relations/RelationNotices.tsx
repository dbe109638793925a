import type { Unmeasured, Unreadable } from '../api/model';
import { CapabilityNotice } from '../notices/Notice';
import type { Instants } from '../time/range';
import { span, type Zone } from '../time/zone';

interface Props {
  unmeasured: Unmeasured;
  notReadable: Unreadable[];
  /** The fields whose reasons matter: those of the columns that are shown. */
  fields: string[];
}

/** What is not measured here, once per reason, and the SQL that mends it. */
export function RelationNotices({ unmeasured, notReadable, fields }: Props) {
  const all = [...notReadable, ...fields.flatMap((field) => unmeasured[field] ?? [])];
  // The same words may have another fix for another set.
  const reasons = new Map(all.map((one) => [`${one.message}/${one.fix ?? ''}`, one]));
  return [...reasons].map(([key, { message, fix }]) => <CapabilityNotice key={key} message={message} fix={fix} />);
}

/** A range that ended longer ago than this will not fill any more. */
const STILL_FILLS_MS = 5 * 60_000;

function isPast(range: Instants): boolean {
  return range.end < Date.now() - STILL_FILLS_MS;
}

/** The heading of a page without a reading. */
export function nothingRead(things: string, range: Instants): string {
  return isPast(range) ? `No ${things} were read then` : `No ${things} read yet`;
}

/** Why there is no row at all. */
export function NothingRead({ range, zone }: { range: Instants; zone: Zone }) {
  if (isPast(range)) return `Nothing was read between ${span(range.start, range.end, zone, Date.now(), ' and ')}.`;
  return 'No figures yet. Databases are read one after the other; the first takes about 60 s.';
}
