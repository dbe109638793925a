import type { CollectorCost as Cost } from '../api/model';
import { bytes, duration, exact, percent, text } from '../format/number';
import { Missing } from '../format/Num';

interface Props {
  /** The answer of `/instances/{id}/collector`; null while it is not there. */
  cost: Cost | null;
}

/** What collecting costs the instance: its statements' time over time that passed, and behind it the process. */
export function CollectorCost({ cost }: Props) {
  const share = cost?.statement_share;
  if (cost === null || share == null) {
    return <Missing focusable reason={cost?.unmeasured['statement_share']?.message ?? 'Not enough data: it needs two readings of collector_sets.'} />;
  }
  const process = cost.process;
  const hint = [
    `${exact(share * 100)} % of one core: ${text(duration(cost.statement_time_ms ?? 0))} of statements in ${text(duration(cost.measured_ms))}`,
    cost.cpu_share == null ? null : `The collector's process: ${text(percent(cost.cpu_share))} of one core`,
    process?.resident_bytes == null ? null : `Memory: ${text(bytes(process.resident_bytes))}`,
    process?.spool_bytes == null ? null : `Waiting to be sent: ${text(bytes(process.spool_bytes))}`,
    'collector_sets.statement_time',
  ];
  return (
    <span data-hint={hint.filter((line) => line !== null).join('\n')} tabIndex={0}>
      {text(percent(share))}
    </span>
  );
}
