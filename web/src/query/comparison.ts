/** A statement beside the equal period before: as the API compares, by rates over the time that was read. Pure. */
import type { Statement } from '../api/model';
import { change, text } from '../format/number';
import { rowsPerCall } from '../queries/ranking';

export interface Compared {
  /** What it was before, over what was read of that period; null where there is nothing to compare with. */
  value: number | null;
  /** How many times as much it is now; null where that is not known, or it was 0. */
  times: number | null;
  /** How much of that period was read, where that is not nearly all of it. */
  read: string;
  /** Why there is nothing to compare with. */
  nothing: string;
}

const FIGURES = {
  total_exec_time_ms: (statement: Statement) => statement.previous?.total_exec_time_ms,
  calls: (statement: Statement) => statement.previous?.calls,
  mean_exec_time_ms: (statement: Statement) => statement.previous?.mean_exec_time_ms,
  rows_per_call: (statement: Statement) => (statement.previous == null ? null : rowsPerCall(statement.previous)),
  share_of_total: (statement: Statement) => statement.previous?.share_of_total,
};

export function compared(statement: Statement, figure: keyof typeof FIGURES): Compared {
  const message = statement.previous_covered?.message;
  return {
    value: FIGURES[figure](statement) ?? null,
    times: statement.change[figure] ?? null,
    read: message == null ? '' : `\n${message}`,
    nothing: statement.no_comparison ?? 'It was not measured in the equal period before.',
  };
}

/** `×3.4`, `+12 %`; `new` for what was not there before; nothing without an earlier value. */
export function changed(value: number, { value: before, times }: Compared): string {
  if (times !== null) return text(change(times, 1));
  return before === 0 ? text(change(value, 0)) : '';
}

/** What the figures are compared with, as a sentence; `length` is that of the range. */
export function comparedWith(statement: Statement, length: string): string {
  const { previous, no_comparison: none } = statement;
  if (previous == null) return none ?? `Nothing to compare with in the ${length} before.`;
  return (previous.calls ?? 0) > 0 ? `Compared with the ${length} before, per second of what was read.` : `It did not run in the ${length} before.`;
}
