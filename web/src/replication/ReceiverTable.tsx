import type { Receiver } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Missing } from '../format/Num';
import type { Column } from '../tables/column';
import type { Zone } from '../time/zone';
import { behind, lastMessage } from './StandbyTable';

const KIND: Record<string, string> = { receiver: 'stores WAL', base_backup: 'base backup', logical: 'logical' };

function name(row: Receiver): string {
  return row.application_name || row.client_addr || 'unnamed';
}

/** Who receives WAL and replays none: no replay lag. */
export function receiverColumns(zone: Zone): Column<Receiver>[] {
  return [
    { id: 'receiver', title: 'Receiver', width: 150, grow: true, value: name, cell: (row) => <span data-hint={row.client_addr ?? 'local socket'}><Foreign text={name(row)} /></span> },
    { id: 'receiver_kind', title: 'Kind', width: 104, value: (row) => KIND[row.kind], cell: (row) => KIND[row.kind] ?? row.kind },
    { id: 'receiver_state', title: 'State', width: 96, value: (row) => row.state, cell: (row) => row.state ?? <Missing reason="Not readable." /> },
    { id: 'receiver_sync', title: 'Sync', width: 80, value: (row) => row.sync_state, cell: (row) => row.sync_state ?? <Missing reason="Not readable." /> },
    { id: 'receiver_slot', title: 'Slot', width: 130, value: (row) => row.slot_name, cell: (row) => row.slot_name ?? <Missing reason="It uses none." /> },
    behind('receiver_sent', 'Sent behind', 'sent_lsn', (row) => row.sent_behind_bytes),
    behind('receiver_write', 'Write behind', 'write_lsn', (row) => row.write_behind_bytes),
    behind('receiver_flush', 'Flush behind', 'flush_lsn', (row) => row.flush_behind_bytes),
    lastMessage('receiver_message', 'receiver', zone),
  ];
}
