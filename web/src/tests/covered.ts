/** The range that sums are of, in what tests say was covered. */
export const RANGE = { start: '2026-03-01T11:00:00Z', end: '2026-03-01T12:00:00Z' };
