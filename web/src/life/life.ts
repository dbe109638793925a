/** The life of an instance in sentences. */
import type { DeliveredAs, InstanceLife, LifeChange, LooksLike } from '../api/model';
import { near, type Zone } from '../time/zone';

const moment = (at: string, zone: Zone, now: number) => near(Date.parse(at), zone, now);

/** Answers the page's question: what became of it. */
export function lifeHeading(life: InstanceLife, zone: Zone, now: number): string {
  if (life.retired != null) {
    const by = life.retired.by == null ? '' : ` by ${life.retired.by}`;
    return `Retired since ${moment(life.retired.at, zone, now)}${by}`;
  }
  const delivered = life.delivered_as.length;
  return delivered > 1 ? `In the fleet, under its ${ordinal(delivered)} name or collector` : 'In the fleet, as it was configured first';
}

function ordinal(n: number): string {
  if (n % 100 >= 11 && n % 100 <= 13) return `${n}th`;
  return `${n}${['th', 'st', 'nd', 'rd'][n % 10] ?? 'th'}`;
}

export function sourceSentence(one: DeliveredAs, zone: Zone, now: number): string {
  const until = one.until == null ? '' : ` until ${moment(one.until, zone, now)}`;
  return `${one.name}, by collector ${one.collector_id}, since ${moment(one.since, zone, now)}${until}`;
}

export function lookSentence(other: LooksLike, zone: Zone, now: number): string {
  const seen = other.last_seen == null ? '' : `, last seen ${moment(other.last_seen, zone, now)}`;
  return `It looks like instance ${other.id} (${other.name})${seen}.`;
}

const DONE: Record<string, (change: LifeChange) => string> = {
  renamed: ({ from, to }) => `renamed from ${from ?? ''} to ${to ?? ''}`,
  retired: ({ other }) => (other == null ? 'retired' : `retired: it goes on as instance ${other}`),
  returned: ({ by }) => (by == null ? 'back, as it was read again' : 'put back into the fleet'),
  adopted: ({ to }) => `gone on with as ${to ?? ''}: the same postmaster answers under another name or to another collector`,
  continued: ({ other }) => `gone on with as what instance ${other ?? ''} was`,
};

export function changeSentence(change: LifeChange, zone: Zone, now: number): string {
  const by = change.by == null ? '' : ` by ${change.by}`;
  const why = change.why == null ? '' : ` – ${change.why}`;
  return `${moment(change.at, zone, now)}: ${DONE[change.change]?.(change) ?? change.change}${by}${why}`;
}
