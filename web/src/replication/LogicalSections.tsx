import { useMemo, type ReactNode } from 'react';
import type { LogicalReplication } from '../api/model';
import { Foreign } from '../format/Foreign';
import { figureColumns, type Measure } from '../internals/figures';
import { Section, Sorted } from '../internals/parts';
import { RelationNotices } from '../relations/RelationNotices';
import type { Column } from '../tables/column';
import { decodingSentence, operations, STATES, type DecodingRow, type PublicationRow, type SubscriptionRow } from './logical';

const SUBSCRIPTION: Measure<SubscriptionRow>[] = [
  { id: 'sub_not_ready', title: 'Not ready', kind: 'count', field: 'tables', value: (row) => row.tables_not_ready, help: 'Tables that do not follow yet\npg_subscription_rel' },
  { id: 'sub_tables', title: 'Tables', kind: 'count', field: 'tables', value: (row) => row.tables, help: 'pg_subscription_rel' },
  { id: 'sub_errors', title: 'Errors', kind: 'count', field: 'errors', value: (row) => row.apply_errors, help: 'While changes were applied, in the range\npg_stat_subscription_stats' },
  { id: 'sub_sync_errors', title: 'Copy errors', kind: 'count', field: 'errors', value: (row) => row.sync_errors, help: 'While tables were first copied, in the range\npg_stat_subscription_stats' },
  { id: 'sub_conflicts', title: 'Conflicts', kind: 'count', field: 'conflicts', value: (row) => (Object.keys(row.conflicts).length === 0 ? null : Object.values(row.conflicts).reduce((sum, one) => sum + one, 0)), help: 'Rows that could not be applied as they came, in the range\npg_stat_subscription_stats' },
  { id: 'sub_message', title: 'Last message', kind: 'ms', field: 'subscriptions', value: (row) => row.last_message_ms, help: 'From its arrival to the reading\npg_stat_subscription' },
];
const DECODING: Measure<DecodingRow>[] = (
  [
    ['spill_bytes', 'Spilled', 'bytes', 'Decoded and written to disk: logical_decoding_work_mem did not hold it'],
    ['spill_txns', 'Spilled tx', 'count', 'Transactions spilled to disk'],
    ['stream_bytes', 'Streamed', 'bytes', 'Sent before its transaction ended'],
    ['stream_txns', 'Streamed tx', 'count', 'Transactions sent before they ended'],
    ['total_bytes', 'Decoded', 'bytes', 'All that was handed to the output plugin'],
    ['total_txns', 'Decoded tx', 'count', 'Transactions handed to the output plugin'],
  ] as const
).map(([field, title, kind, help]) => ({ id: `dec_${field}`, field, title, kind, help: `${help}\npg_stat_replication_slots` }));

function word<Row>(id: string, title: string, value: (row: Row) => string | null | undefined, cell?: (row: Row) => ReactNode): Column<Row> {
  return { id, title, width: 120, grow: id.endsWith('name'), value, cell: cell ?? ((row) => value(row) ?? '') };
}

/** Subscriptions, publications and logical decoding. */
export function LogicalSections({ logical, outdated }: { logical: LogicalReplication; outdated: boolean }) {
  const { unmeasured } = logical;
  const columns = useMemo(
    () => ({
      subscriptions: [
        word<SubscriptionRow>('sub_name', 'Subscription', (row) => row.name),
        word<SubscriptionRow>('sub_state', 'State', (row) => STATES[row.state], (row) => <span data-hint={row.message}><Foreign text={STATES[row.state]} /></span>),
        ...figureColumns(SUBSCRIPTION, unmeasured, 'Nothing was read of it.'),
        word<SubscriptionRow>('sub_publications', 'Publications', (row) => row.publications),
        word<SubscriptionRow>('sub_database', 'Database', (row) => row.database),
      ],
      publications: [
        word<PublicationRow>('pub_name', 'Publication', (row) => row.name),
        word<PublicationRow>('pub_tables', 'Tables', (row) => (row.all_tables === true ? 'all' : [`${row.tables ?? 0} named`, (row.schemas ?? 0) > 0 ? `${row.schemas} schemas` : null].filter((part) => part !== null).join(', '))),
        word<PublicationRow>('pub_operations', 'Publishes', operations),
        word<PublicationRow>('pub_owner', 'Owner', (row) => row.owner),
        word<PublicationRow>('pub_database', 'Database', (row) => row.database),
      ],
      decoding: [word<DecodingRow>('dec_name', 'Slot', (row) => row.slot_name), ...figureColumns(DECODING, unmeasured, 'Not measured.')],
    }),
    [unmeasured],
  );
  const spilled = decodingSentence(logical);
  return (
    <>
      <Section title="Subscriptions">
        <RelationNotices unmeasured={unmeasured} notReadable={logical.not_readable} fields={['subscriptions']} />
        <Sorted label="Subscriptions" columns={columns.subscriptions} rows={logical.subscriptions} rowKey={(row) => `${row.database}/${row.name}`} otherwise={{ id: 'sub_errors', descending: true }} outdated={outdated} empty="It subscribes to nothing." />
      </Section>
      <Section title="Publications">
        <Sorted label="Publications" columns={columns.publications} rows={logical.publications} rowKey={(row) => `${row.database}/${row.name}`} otherwise={{ id: 'pub_name', descending: false }} outdated={outdated} empty="It publishes nothing." />
      </Section>
      <Section title="Logical decoding">
        <RelationNotices unmeasured={unmeasured} notReadable={[]} fields={['decoding']} />
        {spilled !== null && <p>{spilled}</p>}
        <Sorted label="Logical decoding" columns={columns.decoding} rows={logical.decoding} rowKey={(row) => row.slot_name} otherwise={{ id: 'dec_spill_bytes', descending: true }} outdated={outdated} empty="Nothing was decoded in this range." />
      </Section>
    </>
  );
}
