/**
 * The one rule of every rate: what was counted, over the time in which it was counted, never over the time that was
 * asked for. The API says how much was read (`covered`, `covered_ms`) or gives the rate itself. Pure.
 */
import type { Series } from '../api/model';

/** A sum as a rate; null where nothing was counted or nothing was read. */
export function perSecond(sum: number | null | undefined, readMs: number | null | undefined): number | null {
  return sum == null || readMs == null || readMs <= 0 ? null : (sum * 1000) / readMs;
}

/**
 * Sums of steps as rates of what was read of each: the newest step is always unfinished, and over its whole length it
 * would look like a fall. A gap stays a gap.
 */
export function eachPerSecond(sums: Series | null | undefined, readMs: Series, factor = 1): Series {
  return (sums ?? []).map((sum, step) => perSecond(sum === null ? null : sum * factor, readMs[step]));
}
