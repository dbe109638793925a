import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { InstanceDetail, Io, Wal } from '../api/model';
import { between, useReads } from '../api/useReads';
import { SearchField } from '../filters/Filter';
import { instancePath, shortestInterval } from '../instance/InstanceFrame';
import { CoveredNotice } from '../notices/CoveredNotice';
import { FlagNotices } from '../notices/FlagNotices';
import { CapabilityNotice, Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { keepTime, type Search } from '../shell/search';
import type { Column, Sort } from '../tables/column';
import { useUrl } from '../time/useTime';
import { figureColumns } from './figures';
import { ioCharts, ioHeading, ioMeasures, SLRU_MEASURES, walTimes, writerCharts, type IoRow } from './io';
import styles from './parts.module.css';
import { Charts, PartFrame, Section, Sorted, type PartProps } from './parts';

interface Reads {
  instance: InstanceDetail;
  io: Io;
  wal: Wal;
}

const BY_BYTES: Sort = { id: 'bytes', descending: true };
const BY_READS: Sort = { id: 'slru_blks_read', descending: true };
const CANNOT = 'This cannot happen there, or was not measured.';

const text = (id: 'backend_type' | 'object' | 'context', title: string, help: string): Column<IoRow> =>
  ({ id, title, help, width: id === 'backend_type' ? 150 : 100, grow: id === 'backend_type', whole: true, value: (row) => row[id], cell: (row) => row[id] });

/** Who reads and writes what, and what that means. */
export function IoPart({ instanceId }: PartProps) {
  const url = useUrl();
  const page = useReads<Reads>(
    ['io', instanceId],
    (range) => {
      const of = (what: string) => `/instances/${instanceId}/${what}${queryString({ ...between(range) })}`;
      return { instance: instancePath(instanceId, range), io: of('io'), wal: of('wal') };
    },
    (reads) => shortestInterval(reads.instance.data),
  );
  const io = page.reads?.io.data ?? null;
  const wal = page.reads?.wal.data ?? null;
  const charts = useMemo(
    () => [
      ...(io === null ? [] : ioCharts(io).map((spec) => ({ spec, grid: io.grid, gaps: io.gaps, flags: io.flagged_intervals }))),
      ...(wal === null ? [] : writerCharts(wal).map((spec) => ({ spec, grid: wal.grid, gaps: wal.gaps, flags: wal.flagged_intervals }))),
    ],
    [io, wal],
  );
  const columns = useMemo(
    (): Column<IoRow>[] => [
      text('backend_type', 'Process', 'The kind of process'),
      text('object', 'Object', 'relation, temp relation, or from 18 on wal'),
      text('context', 'Context', 'normal, or a ring of few buffers: vacuum, bulkread, bulkwrite; init: new WAL segments'),
      ...figureColumns(ioMeasures(io?.data ?? []), io?.unmeasured ?? {}, CANNOT),
    ],
    [io],
  );
  const caches = useMemo(
    (): Column<Io['slru'][number]>[] => [
      { id: 'slru_name', title: 'Cache', width: 150, grow: true, value: (row) => row.name, cell: (row) => row.name },
      ...figureColumns(SLRU_MEASURES, {}, 'Not measured.'),
    ],
    [],
  );
  const wanted = (url.q ?? '').toLowerCase();
  const rows = (io?.data ?? []).filter((row) => `${row.backend_type} ${row.object} ${row.context}`.includes(wanted));
  const times = wal === null ? null : walTimes(wal);
  return (
    <PartFrame instanceId={instanceId} page={page} instance={page.reads?.instance} gaps={io?.gaps} title={io === null ? 'I/O' : ioHeading(io)}>
      {page.reads?.io.error != null && <ReadProblem what="I/O" error={page.reads.io.error} shownAt={page.reads.io.at} retry={page.retry} />}
      {io !== null && (
        <>
          {io.unmeasured['data'] === undefined ? <CoveredNotice covered={io.covered} /> : (
            <>
              <CapabilityNotice concerns="I/O by process" {...io.unmeasured['data']} />
              <Notice kind="note">
                <span className={styles.inline}>
                  Who wrote buffers is told below; how long blocks take is in{' '}
                  <Link to="/instances/$instanceId/databases" params={{ instanceId }} search={(old: Search) => keepTime(old)}>Databases</Link>.
                </span>
              </Notice>
            </>
          )}
          <FlagNotices flags={io.flagged_intervals} />
          {io.findings.map((one) => <Notice key={one.message} kind="warning">{one.message}</Notice>)}
          {io.data.length > 0 && io.unmeasured['read_time_ms'] !== undefined && <CapabilityNotice {...io.unmeasured['read_time_ms']} />}
        </>
      )}
      <Charts charts={charts} page={page} />
      {times !== null && <p>{times}</p>}
      {io !== null && io.unmeasured['data'] === undefined && (
        <Section title="By process, object and context">
          <SearchField label="Process, object or context" placeholder="Process, object, context" />
          <Sorted label="I/O" columns={columns} rows={rows} rowKey={(row) => `${row.backend_type}/${row.object}/${row.context}`} otherwise={BY_BYTES} outdated={page.outdated}
            empty={io.data.length > 0 ? 'None matches.' : io.covered.ms > 0 ? 'Nothing was read or written in this range.' : 'No two readings in this range.'} />
        </Section>
      )}
      {io !== null && (
        <Section title="Small caches (SLRU)">
          {io.unmeasured['slru'] === undefined ? (
            <Sorted label="Small caches" columns={caches} rows={io.slru} rowKey={(row) => row.name} otherwise={BY_READS} outdated={page.outdated} empty="No two readings in this range." />
          ) : <CapabilityNotice {...io.unmeasured['slru']} />}
        </Section>
      )}
    </PartFrame>
  );
}
