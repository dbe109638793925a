/** What the databases page says of them: rates of the API, which are over the time that was read. Pure. */
import type { DatabaseRow, Databases } from '../api/model';
import { percent, rate, text } from '../format/number';
import { perSecond } from '../rates/perSecond';

/** Commits and rollbacks per second. */
export function transactions({ rates }: DatabaseRow): number | null {
  return rates.xact_commit == null || rates.xact_rollback == null ? null : rates.xact_commit + rates.xact_rollback;
}

/** Seconds of execution per second. */
export function activeSessions({ rates }: DatabaseRow): number | null {
  return rates.active_time_ms == null ? null : rates.active_time_ms / 1000;
}

/** `shop does 71 % of 159 transactions/s`, over the time that any of them was read. */
export function databasesHeading(databases: Databases): string {
  const done = databases.data.map((row) => ({ name: row.name, transactions: (row.xact_commit ?? 0) + (row.xact_rollback ?? 0) }));
  const [busiest] = done.toSorted((a, b) => b.transactions - a.transactions);
  const total = done.reduce((sum, one) => sum + one.transactions, 0);
  const tps = perSecond(total, databases.covered.ms);
  if (busiest === undefined || total === 0 || tps === null) return 'Databases';
  return `${busiest.name} does ${text(percent(busiest.transactions / total))} of ${text(rate(tps, 'transactions'))}`;
}
