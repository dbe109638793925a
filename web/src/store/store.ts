/** What the page of the store says of jobs, growth and retention. Pure. */
import type { Job, Jobs, KeptTier, Retention, StoreSizes } from '../api/model';
import { bytes, coarse, count, duration, text } from '../format/number';
import { day, near, type Zone } from '../time/zone';

/** A tier of a set as a line of the table of retention. */
export interface KeptLine {
  set: string;
  /** It explains the rows of all sets, and its days follow from theirs. */
  shared: boolean;
  kept: KeptTier;
  growth: number | null;
}

const TIERS = { raw: 'raw rows', '5m': '5 minutes', '1h': 'hours', '1d': 'days' } as const;

/** `raw rows`, `hours`: what a reader calls a tier. */
export function tierName(tier: KeptTier['tier']): string {
  return (TIERS as Record<string, string>)[tier] ?? tier;
}

export const growthText = (perDay: number): string => `${text(bytes(perDay))} a day`;

/** `The store takes 12 GiB and 240 MiB a day more, its disk is full on 3 Mar`; what fails comes first. */
export function storeHeading(jobs: Jobs | null, sizes: StoreSizes | null, zone: Zone, now: number): string {
  const failed = (jobs?.data ?? []).filter((job) => job.failures > 0).map((job) => job.name);
  const failing = failed.length === 0 ? '' : `${failed.join(', ')} ${failed.length === 1 ? 'fails' : 'fail'}; `;
  if (sizes === null) return failing === '' ? 'Store' : `${failing}the store`;
  const takes = `${failing === '' ? 'The' : 'the'} store takes ${text(bytes(sizes.bytes))}`;
  const perDay = sizes.bytes_per_day ?? null;
  if (perDay === null) return `${failing}${takes}`;
  const grows = perDay > 0 ? ` and ${growthText(perDay)} more` : ', and does not grow';
  const full = sizes.disk.full_at == null ? '' : `; its disk is full on ${day(Date.parse(sizes.disk.full_at), zone, now)}`;
  return `${failing}${takes}${grows}${full}`;
}

const WORDS: Record<string, string> = {
  partitions_made: 'partitions made',
  partitions_dropped: 'partitions dropped',
  partitions_held_back: 'held back by who reads them',
  chunks_compressed: 'chunks compressed',
  buckets: 'buckets made',
  tables_noted: 'tables noted',
};

/** `57 buckets made`; what was not done is told of the first count alone. */
export function doneText(job: Job): string | null {
  if (job.done == null) return null;
  const told = Object.entries(job.done).filter(([, number], nth) => nth === 0 || number > 0);
  return told.map(([what, number]) => `${text(count(number))} ${WORDS[what] ?? what.replaceAll('_', ' ')}`).join(', ');
}

/** When a job has its next run, in words. */
export function nextText(job: Job, now: number): string {
  if (job.state === 'running') return 'now';
  const left = Date.parse(job.next_at) - now;
  if (job.state === 'overdue') return `${text(coarse(-left))} ago`;
  return left <= 0 ? 'now' : `in ${text(coarse(left))}`;
}

/** What is still to be made of each tier, and how far back; null where nothing is. */
export function progressSentence(jobs: Jobs, zone: Zone, now: number): string | null {
  const due = jobs.data.flatMap((job) => job.due ?? []).filter((one) => one.count > 0);
  if (due.length === 0) return null;
  const each = due.map(({ tier, count: number, oldest }) => {
    const back = oldest == null ? '' : ` back to ${near(Date.parse(oldest), zone, now)}`;
    return `${tier}: ${text(count(number))}${back}`;
  });
  return `To be made, the newest first: ${each.join('; ')}. Until then answers come from finer rows.`;
}

/** How long a run took, or has been taking. */
export function tookText(job: Job): string | null {
  return job.duration_ms == null ? null : text(duration(job.duration_ms));
}

/** Every tier of every set, with what it grows by. */
export function keptLines(retention: Retention, sizes: StoreSizes | null): KeptLine[] {
  const growth = new Map<string, number>();
  for (const { set, tiers } of sizes?.sets ?? []) {
    for (const { tier, bytes_per_day } of tiers) if (bytes_per_day != null) growth.set(`${set}/${tier}`, bytes_per_day);
  }
  const lines = (sets: Retention['data'], shared: boolean) =>
    sets.flatMap(({ set, tiers }) => tiers.map((kept) => ({ set, shared, kept, growth: growth.get(`${set}/${kept.tier}`) ?? null })));
  return [...lines(retention.data, false), ...lines(retention.shared, true)];
}

/** Whole days from what was typed; null when it is none. What is allowed the server says. */
export function daysOf(typed: string): number | null {
  return /^\d{1,6}$/.test(typed.trim()) ? Number(typed.trim()) : null;
}

/** What a change would do: what goes, and which other tiers follow. */
export function changeSentence(before: Retention, after: Retention, set: string, tier: string): string {
  const days = (of: Retention) => new Map([...of.data, ...of.shared].flatMap((one) => one.tiers.map((kept) => [`${one.set}, ${tierName(kept.tier)}`, kept.days] as const)));
  const old = days(before);
  const own = `${set}, ${tierName(tier as KeptTier['tier'])}`;
  const others = [...days(after)].filter(([name, now]) => name !== own && old.get(name) !== now);
  const follow = others.length === 0 ? '' : ` Others follow: ${others.map(([name, now]) => `${name}: ${old.get(name) ?? '?'} → ${now} days`).join('; ')}.`;
  const goes = after.freed_bytes > 0 ? `${text(bytes(after.freed_bytes))} would go, for good.` : 'Nothing would go now.';
  return `${goes}${follow}`;
}
