import { useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { queryString } from '../api/client';
import type { Connections, InstanceDetail, Locks } from '../api/model';
import { between, useReads } from '../api/useReads';
import type { ChartSpec } from '../charts/chart';
import { TimeChart } from '../charts/TimeChart';
import { Foreign } from '../format/Foreign';
import { average } from '../format/number';
import { oldestLines } from '../holders/oldest';
import { InstanceFrame, instancePath, shortestInterval } from '../instance/InstanceFrame';
import { isRead } from '../instance/watched';
import { FlagNotices } from '../notices/FlagNotices';
import { CapabilityNotice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { momentOf } from '../time/range';
import { useChangeUrl, useTime, useUrl, useZoom } from '../time/useTime';
import { exactMoment } from '../time/zone';
import { LockTree } from './LockTree';
import { locksHeading, nobodyWaits } from './lockTree';
import styles from './LocksPage.module.css';

interface Reads {
  instance: InstanceDetail;
  locks: Locks;
  connections: Connections;
}

/** The sessions that waited, over the range. */
export function blockedChart(locks: Locks): ChartSpec {
  const missing = locks.unmeasured['data'];
  return {
    id: 'blocked', title: 'Blocked', unit: 'sessions', axis: 'decimal', format: average,
    series: [{ id: 'blocked', name: 'blocked', color: 2, token: 'wait-lock', values: locks.blocked_series }],
    missing: missing === undefined ? null : { message: missing.message, fix: missing.fix ?? null },
  };
}

export function LocksPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/locks' });
  const url = useUrl();
  const change = useChangeUrl();
  const zoom = useZoom();
  const { range, zone } = useTime();
  const page = useReads<Reads>(
    ['locks', instanceId, url.at],
    (instants) => ({
      instance: instancePath(instanceId, instants, url.at),
      locks: `/instances/${instanceId}/locks${queryString({ ...between(instants), at: url.at })}`,
      connections: `/instances/${instanceId}/connections${queryString({ ...between(instants), at: url.at })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.locks;
  const locks = read?.data ?? null;
  const hidden = useMemo(() => url.hide?.split(',') ?? [], [url.hide]);
  const spec = useMemo(() => (locks === null ? null : blockedChart(locks)), [locks]);
  const connections = page.reads?.connections.data ?? null;
  const missing = locks?.unmeasured['data'];
  const instance = page.reads?.instance.data ?? null;
  const isNow = url.at === undefined && momentOf(range, Date.now()) === null && (instance === null || isRead(instance));
  const go = (at: string | null | undefined) => change({ at: at ?? undefined });

  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Locks"
      momentary
      at={url.at}
      gaps={locks?.gaps}
      title={locks === null || missing !== undefined ? 'Locks' : locksHeading(locks, isNow)}
    >
      {read?.error != null && <ReadProblem what="locks" error={read.error} shownAt={read.at} retry={page.retry} />}
      {locks === null && page.reads === null && <div className={styles.skeleton} role="status" aria-label="Loading the locks" />}
      {locks !== null && spec !== null && (
        <>
          <div className={styles.moment} role="group" aria-label="Moment">
            <span>
              {isNow ? 'Now' : 'Then'}
              {locks.at == null ? '' : `, read ${exactMoment(Date.parse(locks.at), zone)}`}
            </span>
            <Button label="Reading before" hint="The reading before" disabled={locks.previous_at == null} onClick={() => go(locks.previous_at)}>
              &lt;
            </Button>
            <Button label="Reading after" hint="The reading after" disabled={locks.next_at == null} onClick={() => go(locks.next_at)}>
              &gt;
            </Button>
            {url.at !== undefined && <Button onClick={() => go(null)}>Now</Button>}
            {locks.peak != null && locks.peak.at !== locks.at && (
              <Button onClick={() => go(locks.peak?.at)} hint={`${exactMoment(Date.parse(locks.peak.at), zone)}: ${locks.peak.blocked} blocked`}>
                Worst moment of the range
              </Button>
            )}
          </div>
          {missing !== undefined && <CapabilityNotice message={missing.message} fix={missing.fix} />}
          <FlagNotices flags={locks.flagged_intervals} />
          {locks.data.length > 0 ? (
            <LockTree sessions={locks.data} unmeasured={locks.unmeasured} zone={zone} outdated={page.outdated} />
          ) : (
            missing === undefined && (
              <p className={styles.empty}>{locks.at == null ? 'Nothing was read at that moment.' : nobodyWaits(isNow)}</p>
            )
          )}
          {connections !== null &&
            oldestLines(connections).map((line) => (
              <p key={line} className={styles.oldest}>
                <Foreign text={line} />
              </p>
            ))}
          <TimeChart
            spec={spec}
            grid={locks.grid}
            range={page.range}
            zone={zone}
            flags={locks.flagged_intervals}
            gaps={locks.gaps}
            hidden={hidden}
            onHide={(next) => change({ hide: next.length === 0 ? undefined : next.join(',') })}
            onZoom={zoom}
            onPick={(step) => {
              const end = Date.parse(locks.grid.start) + (step + 1) * locks.grid.step_ms;
              go(locks.blocked_at[step] ?? new Date(end).toISOString());
            }}
            outdated={page.outdated}
          />
        </>
      )}
    </InstanceFrame>
  );
}
