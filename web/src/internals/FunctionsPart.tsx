import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { Functions, InstanceDetail } from '../api/model';
import { between, useReads } from '../api/useReads';
import { Choice, SearchField } from '../filters/Filter';
import { count, duration, text } from '../format/number';
import { instancePath, shortestInterval } from '../instance/InstanceFrame';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { ReadProblem } from '../notices/ReadProblem';
import { RelationNotices } from '../relations/RelationNotices';
import type { Column, Sort } from '../tables/column';
import { useChangeUrl, useUrl } from '../time/useTime';
import { figureColumns } from './figures';
import { FUNCTION_MEASURES, functionName, functionsHeading, type FunctionRow } from './functions';
import { PartFrame, Sorted, type PartProps } from './parts';

interface Reads {
  instance: InstanceDetail;
  functions: Functions;
}

const BY_SELF: Sort = { id: 'self_time_ms', descending: true };

const word = (id: 'schema' | 'language' | 'database', title: string): Column<FunctionRow> => ({ id, title, width: 100, value: (row) => row[id] ?? null, cell: (row) => row[id] ?? '' });

/** Which functions and procedures take the time. */
export function FunctionsPart({ instanceId }: PartProps) {
  const url = useUrl();
  const change = useChangeUrl();
  const page = useReads<Reads>(
    ['functions', instanceId, url.db, url.schema, url.q],
    (range) => ({
      instance: instancePath(instanceId, range),
      functions: `/instances/${instanceId}/functions${queryString({ ...between(range), limit: 1000, database: url.db, schema: url.schema, search: url.q })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.functions;
  const functions = read?.data ?? null;
  const columns = useMemo(
    (): Column<FunctionRow>[] => [
      { id: 'function', title: 'Function', help: 'f(argument types)\npg_proc', width: 200, grow: true, value: functionName, cell: (row) => functionName(row) },
      ...figureColumns(FUNCTION_MEASURES, functions?.unmeasured ?? {}, 'Not measured.'),
      word('language', 'Language'),
      word('schema', 'Schema'),
      word('database', 'Database'),
    ],
    [functions],
  );
  return (
    <PartFrame instanceId={instanceId} page={page} instance={page.reads?.instance} title={functions === null ? 'Functions' : functionsHeading(functions)}>
      {read?.error != null && <ReadProblem what="functions" error={read.error} shownAt={read.at} retry={page.retry} />}
      {functions !== null && (
        <>
          <RelationNotices unmeasured={functions.unmeasured} notReadable={functions.not_readable} fields={['data']} />
          <CoveredNotice covered={functions.covered} />
          <FlagNotices flags={functions.flagged_intervals} />
          <div>
            <SearchField label="Function" placeholder="Function" />{' '}
            <Choice title="Database" chosen={url.db} options={functions.databases} pick={(db) => change({ db }, true)} />{' '}
            <Choice title="Schema" chosen={url.schema} options={functions.schemas} pick={(schema) => change({ schema }, true)} />
          </div>
          <Sorted label="Functions" columns={columns} rows={functions.data} rowKey={(row) => `${row.datid}/${row.funcid}`} otherwise={BY_SELF} outdated={page.outdated}
            empty={functions.track === 'none' ? 'Nothing is counted: track_functions was none.' : functions.covered.ms > 0 ? 'None was called, or none matches.' : 'No two readings in this range.'} />
          <p>
            {text(count(functions.totals.functions))} functions, {text(count(functions.totals.calls ?? 0))} calls, {text(duration(functions.totals.self_time_ms ?? 0))}.
            {functions.track === 'pl' && ' track_functions is pl: those in SQL and C are not counted.'}
          </p>
        </>
      )}
    </PartFrame>
  );
}
