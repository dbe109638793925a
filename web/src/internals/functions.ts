/** What the page of functions says. Pure. */
import type { Functions } from '../api/model';
import { percent, text } from '../format/number';
import type { Measure } from './figures';

export type FunctionRow = Functions['data'][number];

export function functionName(row: FunctionRow): string {
  if (row.name == null) return `Function ${row.funcid}`;
  return `${row.name}(${row.arguments ?? ''})`;
}

/** Which function takes most. */
export function functionsHeading(functions: Functions): string {
  const [first] = functions.data;
  if (first !== undefined && first.share != null) return `${functionName(first)} takes ${text(percent(first.share))} of the time in functions`;
  if (functions.track === 'none') return 'Functions are not counted';
  return functions.covered.ms > 0 ? 'No function was called' : 'No figures of functions';
}

export const FUNCTION_MEASURES: Measure<FunctionRow>[] = [
  { id: 'share', title: 'Share', kind: 'ratio', field: 'self_time_ms', value: (row) => row.share, help: 'Of the time in all functions of the instance' },
  { id: 'self_time_ms', title: 'Self', kind: 'ms', help: 'Time in it alone, with the statements that it ran' },
  { id: 'total_time_ms', title: 'Total', kind: 'ms', help: 'With functions that it called, which count that too' },
  { id: 'calls', title: 'Calls', kind: 'count', help: 'In the range' },
  { id: 'calls_per_s', title: 'Calls/s', kind: 'rate', field: 'calls', value: (row) => row.calls_per_s, help: 'Over the time that was read' },
  { id: 'mean_time_ms', title: 'One call', kind: 'ms', field: 'total_time_ms', value: (row) => row.mean_time_ms, help: 'On average, with functions that it called' },
  { id: 'mean_self_time_ms', title: 'One call, self', kind: 'ms', field: 'self_time_ms', value: (row) => row.mean_self_time_ms, help: 'On average, in it alone' },
];
