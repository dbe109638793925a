import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { ApiError } from '../api/error';
import type { InstanceDetail } from '../api/model';
import type { Read } from '../api/useReads';
import { HealthBadge } from '../fleet/HealthBadge';
import { coarse, text } from '../format/number';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { useTime } from '../time/useTime';
import { clock } from '../time/zone';
import styles from './InstanceFrame.module.css';

/** The tabs that have a page, in the order a reader looks for them. */
const TABS = [
  { to: '/instances/$instanceId/overview', name: 'Overview' },
  { to: '/instances/$instanceId/queries', name: 'Queries' },
  { to: '/instances/$instanceId/locks', name: 'Locks' },
  { to: '/instances/$instanceId/databases', name: 'Databases' },
  { to: '/instances/$instanceId/replication', name: 'Replication' },
  { to: '/instances/$instanceId/tables', name: 'Tables' },
  { to: '/instances/$instanceId/indexes', name: 'Indexes' },
  { to: '/instances/$instanceId/settings', name: 'Settings' },
  { to: '/instances/$instanceId/coverage', name: 'Coverage' },
] as const;

/** Data older than this many readings is called stale. */
const STALE_READINGS = 3;
const STALE_AT_LEAST_MS = 60_000;

interface Props {
  instanceId: string;
  instance: Read<InstanceDetail> | undefined;
  /** The whole batch failed. */
  error: ApiError | null;
  retry: () => void;
  tab: (typeof TABS)[number]['name'];
  /** Answers the page's question. */
  title: ReactNode;
  /** One level below the tab: a queryid. */
  below?: ReactNode;
  fill?: boolean;
  children: ReactNode;
}

/** Name, health, tabs; the page below them shows only if the instance may be seen. */
export function InstanceFrame(props: Props) {
  const { instanceId, instance, error, retry, tab, title, below, fill = false, children } = props;
  const detail = instance?.data ?? null;
  const name = detail?.name ?? `Instance ${instanceId}`;
  const problem = instance?.error ?? error;
  const barred = detail == null && problem != null;
  const tabPath = TABS.find((one) => one.name === tab)?.to ?? TABS[0].to;
  const search = (old: Search) => keepTime(old);

  return (
    <PageFrame
      title={barred ? name : title}
      name={`${tab} · ${name}`}
      fill={fill}
      above={
        <>
          <div className={styles.head}>
            <nav aria-label="Breadcrumb" className={styles.crumbs}>
              <Link to="/" search={search}>
                Fleet
              </Link>
              <span aria-hidden="true">/</span>
              {below === undefined ? (
                <span aria-current="page">{name}</span>
              ) : (
                <>
                  <Link to={tabPath} params={{ instanceId }} search={search}>
                    {name}
                  </Link>
                  <span aria-hidden="true">/</span>
                  <Link to={tabPath} params={{ instanceId }} search={search}>
                    {tab}
                  </Link>
                  <span aria-hidden="true">/</span>
                  <span aria-current="page">{below}</span>
                </>
              )}
            </nav>
            {detail != null && (
              <p className={styles.facts}>
                {[detail.role, detail.version].filter((fact) => fact != null).join(' · ')}{' '}
                <HealthBadge state={detail.state} reasons={detail.reasons} /> {detail.reasons[0]}
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
      {detail != null && <Stale instance={detail} />}
      {!barred && children}
    </PageFrame>
  );
}

function Stale({ instance }: { instance: InstanceDetail }) {
  const { zone } = useTime();
  if (instance.data_age_ms == null || instance.last_seen == null) return null;
  const limit = Math.max(STALE_AT_LEAST_MS, shortestInterval(instance) * STALE_READINGS * 1000);
  if (instance.data_age_ms < limit) return null;
  return (
    <Notice kind="warning">
      Data is {text(coarse(instance.data_age_ms))} old; the collector is silent since{' '}
      {clock(Date.parse(instance.last_seen), zone)}.
    </Notice>
  );
}

const DEFAULT_INTERVAL_S = 10;

/** Seconds between readings of the set that is read most often. */
export function shortestInterval(instance: InstanceDetail | null | undefined): number {
  const known = (instance?.sets ?? []).flatMap((set) => set.interval_seconds ?? []);
  return known.length === 0 ? DEFAULT_INTERVAL_S : Math.min(...known);
}
