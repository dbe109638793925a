/** Who has been in the way the longest: pure. */
import type { Connections, Wraparound } from '../api/model';
import { coarse, count, text } from '../format/number';

/** Ages below this hold nothing back that is worth a line. */
const YOUNG_MS = 1000;
const YOUNG_XIDS = 100;

/** `Oldest transaction: 11 min, the prepared transaction 'order 7' of app in shop.`, and what holds back vacuum. */
export function oldestLines(connections: Connections): string[] {
  const lines: string[] = [];
  const { oldest_xact: xact, oldest_xmin: xmin, oldest_xact_age_ms: ms, oldest_xmin_age: age } = connections;
  if (ms != null && ms >= YOUNG_MS) lines.push(`Oldest transaction: ${text(coarse(ms))}${xact == null ? '' : `, ${xact.who}`}.`);
  if (age != null && age >= YOUNG_XIDS) {
    lines.push(`VACUUM keeps the rows of the last ${text(count(age))} transactions${xmin == null ? '' : ` for ${xmin.who}`}.`);
  }
  return lines;
}

/** The oldest table of the database that is nearest to wraparound; null where nothing is known of any. */
export function freezeLine(wraparound: Wraparound): string | null {
  const [worst] = wraparound.data.filter((one) => one.xid_holder != null);
  const holder = worst?.xid_holder;
  if (worst === undefined || holder == null || worst.xid.age == null) return null;
  return `Oldest transaction id: ${text(count(worst.xid.age))} transactions ago in ${worst.name}, held by ${holder.who}.`;
}
