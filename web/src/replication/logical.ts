/** What the page of replication says of its logical part. Pure. */
import type { LogicalReplication } from '../api/model';
import { bytes, percent, text } from '../format/number';

export type SubscriptionRow = LogicalReplication['subscriptions'][number];
export type PublicationRow = LogicalReplication['publications'][number];
export type DecodingRow = LogicalReplication['decoding'][number];

export const STATES: Record<SubscriptionRow['state'], string> = {
  failing: '■ failing', no_worker: '■ no worker', disabled: '▲ disabled', copying: '○ copying', running: '● running', unknown: '– not read',
};

export function operations(row: PublicationRow): string {
  const all = row.operations.length === 4 ? 'all changes' : row.operations.join(', ');
  return row.via_root === true ? `${all}, via root` : all;
}

/** How much of what was decoded went through the disk, where that is much. */
export function decodingSentence({ decoding }: LogicalReplication): string | null {
  const sum = (of: (row: DecodingRow) => number | null | undefined) => decoding.reduce((all, row) => all + (of(row) ?? 0), 0);
  const [spilled, all] = [sum((row) => row.spill_bytes), sum((row) => row.total_bytes)];
  if (spilled === 0 || all === 0 || spilled / all < 0.1) return null;
  return `${text(bytes(spilled))} went through the disk, ${text(percent(spilled / all))} of what was decoded: large transactions, for which logical_decoding_work_mem is small.`;
}
