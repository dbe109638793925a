import { useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { FlaggedInterval, Gap, Grid, InstanceDetail, LogicalReplication, Replication, Slots, Wal, Wraparound } from '../api/model';
import { between, useReads } from '../api/useReads';
import type { ChartSpec } from '../charts/chart';
import { TimeChart } from '../charts/TimeChart';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { Section } from '../internals/parts';
import { CapabilityNotice, Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import type { Column, Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl, useZoom } from '../time/useTime';
import { exactMoment } from '../time/zone';
import { directoryChart } from '../wal/walCharts';
import { ageColumns } from './AgeTable';
import { LogicalSections } from './LogicalSections';
import { Picture } from './Picture';
import { receiverColumns } from './ReceiverTable';
import { heading, lagCharts, receiverNotice, retainedChart, sortOf, withSort } from './replication';
import styles from './ReplicationPage.module.css';
import { slotColumns } from './SlotTable';
import { standbyColumns } from './StandbyTable';

interface Reads {
  instance: InstanceDetail;
  replication: Replication;
  slots: Slots;
  wal: Wal;
  wraparound: Wraparound;
  logical: LogicalReplication;
}

const NO_FLAGS: FlaggedInterval[] = [];
const BY_REPLAY: Sort = { id: 'replay_behind', descending: true };
const BY_FLUSH: Sort = { id: 'receiver_flush', descending: true };
const BY_RETAINED: Sort = { id: 'slot_retained', descending: true };
const BY_AGE: Sort = { id: 'age_xid', descending: true };

interface Shown {
  spec: ChartSpec;
  grid: Grid;
  gaps: Gap[];
}

export function ReplicationPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/replication' });
  const url = useUrl();
  const change = useChangeUrl();
  const zoom = useZoom();
  const { zone } = useTime();
  const page = useReads<Reads>(
    ['replication', instanceId],
    (instants) => {
      const of = (what: string) => `/instances/${instanceId}/${what}${queryString({ ...between(instants) })}`;
      return {
        instance: instancePath(instanceId, instants),
        replication: of('replication'),
        slots: of('slots'),
        wal: of('wal'),
        wraparound: of('wraparound'),
        logical: of('logical-replication'),
      };
    },
    (reads) => shortestInterval(reads.instance.data),
  );
  const { reads } = page;
  const replication = reads?.replication.data ?? null;
  const slots = reads?.slots.data ?? null;
  const wal = reads?.wal.data ?? null;
  const wraparound = reads?.wraparound.data ?? null;
  const self = { id: Number(instanceId), name: reads?.instance.data?.name ?? `Instance ${instanceId}` };
  const hidden = useMemo(() => url.hide?.split(',') ?? [], [url.hide]);
  const charts = useMemo(() => {
    const all: Shown[] = [];
    if (replication !== null) {
      const drawn = lagCharts(replication, self.name).filter((spec) => spec.series.length > 0);
      all.push(...drawn.map((spec) => ({ spec, grid: replication.grid, gaps: replication.gaps })));
    }
    if (slots !== null && slots.data.length > 0) all.push({ spec: retainedChart(slots), grid: slots.grid, gaps: slots.gaps });
    if (wal !== null) all.push({ spec: directoryChart(wal), grid: wal.grid, gaps: wal.gaps });
    return all;
  }, [replication, slots, wal, self.name]);
  const receiver = replication?.receiver ?? null;
  const notice = receiver === null ? null : receiverNotice(receiver, (time) => exactMoment(Date.parse(time), zone));
  const standbys = useMemo(() => standbyColumns(zone), [zone]);
  const receivers = useMemo(() => receiverColumns(zone), [zone]);
  const slotTable = useMemo(() => slotColumns(slots?.unmeasured ?? {}), [slots]);
  const ages = useMemo(() => (wraparound === null ? [] : ageColumns(wraparound)), [wraparound]);
  function sorted<Row>(columns: Column<Row>[], otherwise: Sort) {
    return {
      sort: sortOf(url.sort, columns, otherwise),
      onSort: (sort: Sort) => change({ sort: withSort(url.sort, columns, sort, otherwise) }, true),
      outdated: page.outdated,
    };
  }

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Replication"
      momentary
      gaps={replication?.gaps}
      title={replication === null ? 'Replication' : heading(replication, self.name)}
    >
      {reads === null && page.error === null && <div className={styles.skeleton} role="status" aria-label="Loading replication" />}
      {reads?.replication.error != null && (
        <ReadProblem what="replication" error={reads.replication.error} shownAt={reads.replication.at} retry={page.retry} />
      )}
      {replication !== null && (
        <>
          <p>{facts(replication, (time) => exactMoment(Date.parse(time), zone))}</p>
          {notice != null && <Notice kind="warning">{notice}</Notice>}
          <Picture replication={replication} self={self} />
        </>
      )}
      {charts.length > 0 && (
        <div className={styles.charts}>
          {charts.map(({ spec, grid, gaps }) => (
            <TimeChart
              key={spec.id}
              spec={spec}
              grid={grid}
              range={page.range}
              zone={zone}
              flags={NO_FLAGS}
              gaps={gaps}
              hidden={hidden}
              onHide={(next) => change({ hide: next.length === 0 ? undefined : next.join(',') })}
              onZoom={zoom}
              outdated={page.outdated}
            />
          ))}
        </div>
      )}
      {replication !== null && (
        <Section title="Standbys">
          <DataTable
            label="Standbys"
            columns={standbys}
            rows={replication.standbys}
            rowKey={(row) => `${row.application_name ?? ''}/${row.pid ?? ''}`}
            empty={replication.at == null ? 'No reading yet.' : 'No standby streams from here.'}
            {...sorted(standbys, BY_REPLAY)}
          />
        </Section>
      )}
      {replication !== null && replication.receivers.length > 0 && (
        <Section title="Other receivers">
          <DataTable
            label="Other receivers"
            columns={receivers}
            rows={replication.receivers}
            rowKey={(row) => `${row.application_name ?? ''}/${row.pid ?? ''}`}
            empty="Only standbys receive from here."
            {...sorted(receivers, BY_FLUSH)}
          />
        </Section>
      )}
      {reads !== null && (
        <>
          <Section title="Slots">
            {reads.slots.error != null && <ReadProblem what="slots" error={reads.slots.error} shownAt={reads.slots.at} retry={page.retry} />}
            {slots !== null && (
              <DataTable
                label="Slots"
                columns={slotTable}
                rows={slots.data}
                rowKey={(row) => row.slot_name}
                empty={slots.at == null ? 'No reading yet.' : 'There is no replication slot.'}
                {...sorted(slotTable, BY_RETAINED)}
              />
            )}
          </Section>
          {reads.logical.error != null && <ReadProblem what="logical replication" error={reads.logical.error} shownAt={reads.logical.at} retry={page.retry} />}
          {reads.logical.data !== null && <LogicalSections logical={reads.logical.data} outdated={page.outdated} />}
          <Section title="Wraparound">
            {reads.wraparound.error != null && (
              <ReadProblem what="wraparound" error={reads.wraparound.error} shownAt={reads.wraparound.at} retry={page.retry} />
            )}
            {wraparound?.unmeasured['data'] !== undefined && (
              <CapabilityNotice message={wraparound.unmeasured['data'].message} fix={wraparound.unmeasured['data'].fix} />
            )}
            {wraparound !== null && (
              <DataTable
                label="Wraparound"
                columns={ages}
                rows={wraparound.data}
                rowKey={(row) => String(row.datid)}
                empty="No reading yet."
                {...sorted(ages, BY_AGE)}
              />
            )}
          </Section>
        </>
      )}
    </InstanceFrame>
  );
}

/** Role, timeline, position, and when this was read. */
function facts(replication: Replication, moment: (time: string) => string): string {
  const at = replication.at ?? replication.receiver?.at;
  const parts = [
    replication.role,
    replication.timeline == null ? null : `timeline ${replication.timeline}`,
    replication.current_lsn == null ? null : `at ${replication.current_lsn}`,
    replication.receiver?.replayed_lsn == null ? null : `replayed ${replication.receiver.replayed_lsn}`,
    at == null ? 'no reading yet' : `read ${moment(at)}`,
  ];
  return parts.filter((part) => part != null).join(' · ');
}
