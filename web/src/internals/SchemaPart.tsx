import { Link } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import { queryString } from '../api/client';
import type { Changes, InstanceDetail, Schema } from '../api/model';
import { between, useReads } from '../api/useReads';
import { Choice, SearchField } from '../filters/Filter';
import { Foreign } from '../format/Foreign';
import { bytes, count, percent, text } from '../format/number';
import { Num } from '../format/Num';
import { instancePath, shortestInterval } from '../instance/InstanceFrame';
import { Copy } from '../notices/Copy';
import { ReadProblem } from '../notices/ReadProblem';
import { RelationNotices } from '../relations/RelationNotices';
import { keepTime, type Search } from '../shell/search';
import { momentField, type Column, type Sort } from '../tables/column';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { exactMoment } from '../time/zone';
import { PartFrame, Section, Sorted, type PartProps } from './parts';
import { changeText, FINDINGS, schemaHeading, type ChangeRow, type FindingRow } from './schema';

interface Reads {
  instance: InstanceDetail;
  schema: Schema;
  changes: Changes;
}

const BY_USED: Sort = { id: 'mend_gravity', descending: true };
const NEWEST: Sort = { id: 'change_at', descending: true };
const BY_NUMBER: Sort = { id: 'objects', descending: true };
const LIMIT = 1000;
const GRAVITY = Object.keys(FINDINGS).toReversed();

function words<Row>(id: string, title: string, width: number, value: (row: Row) => string | null | undefined, cell?: (row: Row) => ReactNode, grow = false): Column<Row> {
  return { id, title, width, grow, value, cell: cell ?? ((row) => value(row) ?? '') };
}

/** What of the objects is to be mended, what changed when, and how many there are. */
export function SchemaPart({ instanceId }: PartProps) {
  const url = useUrl();
  const change = useChangeUrl();
  const { zone } = useTime();
  const page = useReads<Reads>(
    ['schema', instanceId, url.db, url.kind, url.q],
    (range) => {
      const { start, end } = between(range);
      return {
        instance: instancePath(instanceId, range),
        schema: `/instances/${instanceId}/schema${queryString({ at: range.untilNow === true ? undefined : end })}`,
        changes: `/instances/${instanceId}/changes${queryString({ start, end, limit: LIMIT, database: url.db, kind: url.kind, search: url.q })}`,
      };
    },
    (reads) => shortestInterval(reads.instance.data),
  );
  const schema = page.reads?.schema.data ?? null;
  const changes = page.reads?.changes.data ?? null;
  const columns = useMemo(() => {
    const when = (id: string, title: string, help: string, of: (row: { at?: string; changed_at?: string | null }) => string | null | undefined) => ({
      id, title, help, width: 150, numeric: true,
      value: (row: object) => Date.parse(of(row) ?? '') || null,
      copied: [momentField<object>(title, (row) => Date.parse(of(row) ?? '') || null)],
      cell: (row: object) => (of(row) == null ? '' : exactMoment(Date.parse(of(row) ?? ''), zone)),
    });
    const named = (row: { name: string; relid?: number | null }) =>
      row.relid == null ? <Foreign text={row.name} /> : (
        <Link to="/instances/$instanceId/indexes" params={{ instanceId }} search={(old: Search) => ({ ...keepTime(old), table: String(row.relid) })}><Foreign text={row.name} /></Link>
      );
    const mend: Column<FindingRow>[] = [
      { id: 'mend_gravity', title: 'Finding', width: 160, whole: true, value: (row) => GRAVITY.indexOf(row.code) + (row.used ?? 0), copied: [{ title: 'Finding', value: (row) => row.code }], cell: (row) => FINDINGS[row.code] ?? row.code },
      words('mend_name', 'Object', 170, (row) => row.name, named),
      {
        id: 'mend_size', title: 'Used, or size', width: 100, numeric: true, unitSlot: 4, value: (row) => row.used ?? row.size_bytes,
        cell: (row) => (row.used != null ? <Num figure={{ ...percent(row.used), value: `${row.estimated ? '≈ ' : ''}${percent(row.used).value}` }} hint={row.estimated ? 'Estimated: the greatest value that the last analyze found' : 'pg_sequences'} /> : row.size_bytes != null ? <Num figure={bytes(row.size_bytes)} /> : ''),
      },
      words('mend_message', 'What it means', 260, (row) => row.message, (row) => <span data-hint={row.message}><Foreign text={row.message} /></span>, true),
      words('mend_database', 'Database', 90, (row) => row.database),
      words('mend_fix', 'SQL', 76, (row) => row.fix, (row) => (row.fix == null ? '' : <Copy text={row.fix} what="SQL" />)),
    ];
    const changed: Column<ChangeRow>[] = [
      when('change_at', 'Seen', 'The reading that showed it first: it happened since the one before', (row) => row.at),
      words('change_kind', 'Kind', 100, (row) => row.kind),
      words('change_action', 'Change', 80, (row) => row.action),
      words('change_name', 'Object', 170, (row) => row.name, named),
      words('change_what', 'What', 260, changeText, (row) => <span data-hint={`${changeText(row)}${row.after == null ? '' : `\nLast seen as before ${exactMoment(Date.parse(row.after), zone)}`}`}><Foreign text={changeText(row)} /></span>, true),
      words('change_database', 'Database', 90, (row) => row.database),
    ];
    const objects: Column<Schema['objects'][number]>[] = [
      words('object_kind', 'Kind', 120, (row) => row.kind, undefined, true),
      words('object_database', 'Database', 120, (row) => row.database),
      { id: 'objects', title: 'How many', width: 90, numeric: true, unitSlot: 2, value: (row) => row.objects, cell: (row) => <Num figure={count(row.objects)} /> },
      when('object_changed', 'Newest change', 'The newest that was made or changed, or when they were first read', (row) => row.changed_at),
    ];
    return { mend, changed, objects };
  }, [zone, instanceId]);
  const { outdated } = page;
  return (
    <PartFrame instanceId={instanceId} page={page} instance={page.reads?.instance} title={schemaHeading(schema, changes)}>
      {page.reads?.schema.error != null && <ReadProblem what="the schema" error={page.reads.schema.error} shownAt={page.reads.schema.at} retry={page.retry} />}
      {page.reads?.changes.error != null && <ReadProblem what="changes" error={page.reads.changes.error} shownAt={page.reads.changes.at} retry={page.retry} />}
      {schema !== null && (
        <>
          <RelationNotices unmeasured={{}} notReadable={schema.not_readable} fields={[]} />
          <Section title="To mend">
            <Sorted label="To mend" columns={columns.mend} rows={schema.findings} rowKey={(row) => `${row.code}/${row.database}/${row.name}`} otherwise={BY_USED} outdated={outdated}
              empty={schema.objects.length === 0 ? 'Nothing was read yet.' : 'Nothing. Invalid, duplicate and unused indexes are told with the indexes.'} />
          </Section>
        </>
      )}
      {changes !== null && (
        <Section title="Changes">
          <div>
            <SearchField label="Object" placeholder="Object" />{' '}
            <Choice title="Kind" chosen={url.kind} options={changes.kinds} pick={(kind) => change({ kind }, true)} />{' '}
            <Choice title="Database" chosen={url.db} options={changes.databases} pick={(db) => change({ db }, true)} />
          </div>
          <Sorted label="Changes" columns={columns.changed} rows={changes.data} rowKey={(row) => `${row.at}/${row.kind}/${row.database ?? ''}/${row.id}`} otherwise={NEWEST} outdated={outdated} empty="Nothing was seen to change in this range, or nothing matches." />
          {changes.total > changes.count && <p>{text(count(changes.count))} of {text(count(changes.total))} changes, the newest; search or filter for others.</p>}
        </Section>
      )}
      {schema !== null && (
        <Section title="Objects">
          <Sorted label="Objects" columns={columns.objects} rows={schema.objects} rowKey={(row) => `${row.kind}/${row.database ?? ''}`} otherwise={BY_NUMBER} outdated={outdated} empty="Nothing was read yet." />
        </Section>
      )}
    </PartFrame>
  );
}
