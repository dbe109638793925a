/** Whether an instance is read at the moment that is shown, and what is said where it is not. Pure. */
import type { Gap, Instance, Watched } from '../api/model';
import { coarse, text } from '../format/number';
import { inZone, near, type Zone } from '../time/zone';

export function isRead({ watched }: Pick<Instance, 'watched'>): boolean {
  return watched.state === 'read';
}

const STANDING = { down: 'Down', refused: 'Refused', silent: 'No data', not_watched: 'Not watched' } as const satisfies Record<Exclude<Watched['state'], 'read'>, string>;

/** `Down since 14:48:07`; null where it is read. */
export function standing({ state, since }: Watched, zone: Zone, now: number): string | null {
  if (state === 'read') return null;
  // Nobody knows when it began that nobody watched.
  return since == null || state === 'not_watched' ? STANDING[state] : `${STANDING[state]} since ${near(Date.parse(since), zone, now)}`;
}

/** Why there are no figures of the moment, and how old the last are; null where it is read. */
export function standingSentence({ watched }: Pick<Instance, 'watched'>, zone: Zone, now: number): string | null {
  const { message, last_reading: last, last_reading_age_ms: age } = watched;
  if (watched.state === 'read') return null;
  const parts = [message == null ? `${STANDING[watched.state]}.` : inZone(message, zone, now)];
  if (last != null && age != null) parts.push(`The last reading of PostgreSQL is of ${near(Date.parse(last), zone, now)}, ${text(coarse(Math.max(1, Math.round(age / 1000)) * 1000))} before.`);
  if (watched.host_still_read) parts.push('Its host is still read.');
  return parts.join(' ');
}

/** Reasons that stand beside a badge; more are on the instance's pages. */
const TOLD = 3;

/** The gravest reasons, beside a badge that says since when: one alone would hide what is new behind what is old. */
export function gravest(instance: Pick<Instance, 'watched' | 'reasons'>, zone: Zone, now: number): string {
  const { state, error } = instance.watched;
  const [first = '', ...others] = instance.reasons;
  const told = (state === 'down' || state === 'refused') && error != null ? `${error}.` : first;
  const more = others.length >= TOLD ? [`And ${others.length - TOLD + 1} more.`] : [];
  return [told, ...others.slice(0, TOLD - 1), ...more].map((reason) => inZone(reason, zone, now)).join(' ');
}

/** Gaps that end before the moment does; of the last one the standing tells where it goes on. */
export function gapsBefore(gaps: readonly Gap[], instance: Pick<Instance, 'watched'>, moment: number): Gap[] {
  return gaps.filter((gap) => isRead(instance) || Date.parse(gap.end) < moment - GOES_ON_MS);
}

/** What ends so shortly before the moment ends with it: the answer was on its way. */
const GOES_ON_MS = 60_000;
