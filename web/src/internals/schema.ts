/** What the page of objects and their changes says. Pure. */
import type { Changes, Schema } from '../api/model';
import { count, text } from '../format/number';

export type ChangeRow = Changes['data'][number];
export type FindingRow = Schema['findings'][number];

export const FINDINGS: Record<string, string> = {
  key_ending: 'Key runs out',
  sequence_ending: 'Sequence runs out',
  foreign_key_without_index: 'Foreign key without index',
  constraint_not_validated: 'Not validated',
  extension_outdated: 'Extension is old',
};

const several = (number: number, one: string, many: string) => `${text(count(number))} ${number === 1 ? one : many}`;

/** What is to be mended, and how much changed. */
export function schemaHeading(schema: Schema | null, changes: Changes | null): string {
  const parts = [
    schema === null ? null : schema.findings.length === 0 ? 'Nothing to mend' : several(schema.findings.length, 'thing to mend', 'things to mend'),
    changes === null ? null : changes.total === 0 ? 'no change' : `${changes.cut ? 'at least ' : ''}${several(changes.total, 'change', 'changes')}`,
  ];
  return parts.filter((part) => part !== null).join(', ') || 'Schema';
}

/** The items of a list, at commas outside of brackets and quotes. */
function items(list: string): string[] {
  const all: string[] = [];
  let [item, depth, quoted] = ['', 0, false];
  for (const letter of list) {
    if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === '(') depth += 1;
    else if (!quoted && letter === ')') depth -= 1;
    if (letter === ',' && depth === 0 && !quoted) {
      all.push(item.trim());
      item = '';
    } else item += letter;
  }
  return [...all, item.trim()];
}

/** A property before and after, of lists only what differs. */
function became({ property, before, after }: ChangeRow['changes'][number]): string {
  if (before == null || after == null) return `${property}: ${before ?? after ?? ''}`;
  if (property !== 'columns') return `${property}: ${before} → ${after}`;
  const [was, is] = [items(before), items(after)];
  const gone = was.filter((item) => !is.includes(item)).map((item) => `− ${item}`);
  const come = is.filter((item) => !was.includes(item)).map((item) => `+ ${item}`);
  return [...gone, ...come].join(', ') || 'columns in another order';
}

/** What a change did, in one line; of what was made or dropped what it was, not what it was not. */
export function changeText(change: ChangeRow): string {
  const { action, changes } = change;
  if (action !== 'changed') return changes.filter((one) => (one.before ?? one.after) !== 'false').map(became).join('; ');
  return changes.map((one) => (one.before == null || one.after == null ? `${one.property}: ${one.before ?? 'none'} → ${one.after ?? 'none'}` : became(one))).join('; ');
}
