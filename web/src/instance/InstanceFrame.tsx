import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { queryString } from '../api/client';
import type { ApiError } from '../api/error';
import type { Gap, InstanceDetail } from '../api/model';
import { between, type Read } from '../api/useReads';
import { HealthBadge } from '../fleet/HealthBadge';
import { Foreign } from '../format/Foreign';
import { GapNotices } from '../notices/GapNotices';
import { gapsBeside } from '../notices/gaps';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Crumbs } from '../shell/Crumbs';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { isAhead, momentOf, type Instants } from '../time/range';
import { useTime } from '../time/useTime';
import { inZone, near } from '../time/zone';
import { CollectorLink } from './CollectorLink';
import styles from './InstanceFrame.module.css';
import { gapsBefore, isRead, standing, standingSentence } from './watched';

/** The tabs that have a page, in the order a reader looks for them. */
const TABS = [
  { to: '/instances/$instanceId/overview', name: 'Overview' },
  { to: '/instances/$instanceId/queries', name: 'Queries' },
  { to: '/instances/$instanceId/locks', name: 'Locks' },
  { to: '/instances/$instanceId/databases', name: 'Databases' },
  { to: '/instances/$instanceId/replication', name: 'Replication' },
  { to: '/instances/$instanceId/tables', name: 'Tables' },
  { to: '/instances/$instanceId/indexes', name: 'Indexes' },
  { to: '/instances/$instanceId/internals', name: 'Internals' },
  { to: '/instances/$instanceId/settings', name: 'Settings' },
  { to: '/instances/$instanceId/coverage', name: 'Coverage' },
  { to: '/instances/$instanceId/life', name: 'Life' },
] as const;

interface Props {
  instanceId: string;
  instance: Read<InstanceDetail> | undefined;
  /** The whole batch failed. */
  error: ApiError | null;
  retry: () => void;
  tab: (typeof TABS)[number]['name'];
  /** Answers the page's question. */
  title: ReactNode;
  /** The answer is of a moment, not of the range: there is none while the instance is not read. */
  momentary?: boolean;
  /** A moment of the range that is looked at; else its end. */
  at?: string | undefined;
  /** Parts of the range in which the page's own figures were not read. */
  gaps?: Gap[] | undefined;
  /** One level below the tab: a queryid. */
  below?: ReactNode;
  fill?: boolean;
  children: ReactNode;
}

/** Name, health, tabs; the page below them shows only if the instance may be seen. */
export function InstanceFrame(props: Props) {
  const { instanceId, instance, error, retry, tab, title, momentary = false, at, gaps, below, fill = false, children } = props;
  const { range, zone } = useTime();
  const now = Date.now();
  const detail = instance?.data ?? null;
  const moment = at === undefined ? momentOf(range, now) : Date.parse(at);
  const ahead = isAhead(range, now);
  const name = detail?.name ?? `Instance ${instanceId}`;
  const problem = instance?.error ?? error;
  const barred = detail == null && problem != null;
  const tabPath = TABS.find((one) => one.name === tab)?.to ?? TABS[0].to;
  const search = (old: Search) => keepTime(old);
  const fleet = (
    <Link to="/" search={search}>
      Fleet
    </Link>
  );
  const linked = (text: string) => (
    <Link to={tabPath} params={{ instanceId }} search={search} activeOptions={{ exact: true }}>
      <Foreign text={text} />
    </Link>
  );

  return (
    <PageFrame
      title={barred ? name : ahead ? 'Nothing yet' : ((momentary && detail != null ? standing(detail.watched, zone, now) : null) ?? title)}
      name={`${tab} · ${name}`}
      fill={fill}
      above={
        <>
          <div className={styles.head}>
            <Crumbs above={below === undefined ? [fleet] : [fleet, linked(name), linked(tab)]} here={below ?? name} />
            {detail != null && !ahead && (
              <p className={styles.facts}>
                {[detail.role, detail.version].filter((fact) => fact != null).join(' · ')}
                {moment === null ? ' ' : ` · at ${near(moment, zone, now)} `}
                <HealthBadge instance={detail} /> {isRead(detail) && <Foreign text={detail.reasons.map((reason) => inZone(reason, zone, now)).join(' ')} lines />} <CollectorLink collector={detail.collector} />
              </p>
            )}
          </div>
          {!barred && (
            <nav className={styles.tabs} aria-label="Instance">
              {TABS.map((one) => (
                <Link
                  key={one.name}
                  to={one.to}
                  params={{ instanceId }}
                  search={search}
                  activeOptions={{ includeSearch: false }}
                >
                  {one.name}
                  {one.name === 'Locks' && (detail?.blocked ?? 0) > 0 ? `\u00a0${detail?.blocked}` : ''}
                </Link>
              ))}
            </nav>
          )}
        </>
      }
    >
      {problem != null && (
        <ReadProblem what={instance?.error == null ? 'this page' : 'the instance'} error={problem} shownAt={instance?.at ?? 0} retry={retry} />
      )}
      {ahead && <Notice kind="note">This range begins at {near(range.kind === 'absolute' ? range.start : now, zone, now)}, which is still to come.</Notice>}
      {detail != null && !ahead && <Watching instance={detail} gaps={gaps ?? []} moment={moment ?? now} />}
      {!barred && !ahead && children}
    </PageFrame>
  );
}

/** That it is not read, and where in the range it was not. */
function Watching({ instance, gaps, moment }: { instance: InstanceDetail; gaps: Gap[]; moment: number }) {
  const { zone } = useTime();
  const sentence = standingSentence(instance, zone, Date.now());
  return (
    <>
      {sentence !== null && <Notice kind={instance.watched.state === 'down' ? 'critical' : 'warning'}>{sentence}</Notice>}
      <GapNotices gaps={gapsBefore([...instance.gaps, ...gapsBeside(gaps, instance.gaps)], instance, moment)} />
    </>
  );
}

/** Where an instance is read as it was when a range ended, or at a moment of it. */
export function instancePath(instanceId: string, range: Instants, at?: string): string {
  const { start, end } = between(range);
  return `/instances/${instanceId}${queryString({ start, end: range.untilNow === true ? undefined : end, at })}`;
}

const DEFAULT_INTERVAL_S = 10;

/** Seconds between readings of the set that is read most often. */
export function shortestInterval(instance: InstanceDetail | null | undefined): number {
  const known = (instance?.sets ?? []).flatMap((set) => set.interval_seconds ?? []);
  return known.length === 0 ? DEFAULT_INTERVAL_S : Math.min(...known);
}
