import { Link } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import type { FlaggedInterval, Gap, Grid, InstanceDetail } from '../api/model';
import type { PageReads, Read } from '../api/useReads';
import type { ChartSpec } from '../charts/chart';
import { TimeChart } from '../charts/TimeChart';
import { InstanceFrame } from '../instance/InstanceFrame';
import shared from '../replication/ReplicationPage.module.css';
import { sortOf, withSort } from '../replication/replication';
import { keepTime, type Search } from '../shell/search';
import type { Column, Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl, useZoom } from '../time/useTime';
import styles from './parts.module.css';
import { hasPooler } from './pgbouncer';

/** What the tab holds: what looks into PostgreSQL's own works, and the PgBouncer in front of it where there is one. */
export const PARTS = [
  { id: 'io', name: 'I/O' },
  { id: 'functions', name: 'Functions' },
  { id: 'schema', name: 'Schema' },
  { id: 'pgbouncer', name: 'PgBouncer' },
] as const;

export interface PartProps {
  instanceId: string;
}

interface FrameProps<T> extends PartProps {
  page: PageReads<T>;
  instance: Read<InstanceDetail> | undefined;
  gaps?: Gap[] | undefined;
  title: ReactNode;
  children: ReactNode;
}

/** One part of the tab, with the way to the others. */
export function PartFrame<T>({ instanceId, page, instance, gaps, title, children }: FrameProps<T>) {
  const { part = 'io' } = useUrl();
  return (
    <InstanceFrame instanceId={instanceId} instance={instance} error={page.error} retry={page.retry} tab="Internals" gaps={gaps} title={title}>
      <nav aria-label="Internals" className={styles.parts}>
        {PARTS.filter(({ id }) => id !== 'pgbouncer' || id === part || hasPooler(instance?.data)).map(({ id, name }) => (
          <Link key={id} to="/instances/$instanceId/internals" params={{ instanceId }} search={(old: Search) => ({ ...keepTime(old), part: id })} aria-current={part === id ? 'page' : undefined}>
            {name}
          </Link>
        ))}
      </nav>
      {page.reads === null && page.error === null && <div className={shared.skeleton} role="status" aria-label={`Loading ${part}`} />}
      {children}
    </InstanceFrame>
  );
}

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={shared.section} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

interface Shown {
  spec: ChartSpec;
  grid: Grid;
  gaps: Gap[];
  flags: FlaggedInterval[];
}

export function Charts<T>({ charts, page }: { charts: Shown[]; page: PageReads<T> }) {
  const url = useUrl();
  const change = useChangeUrl();
  const zoom = useZoom();
  const { zone } = useTime();
  const hidden = useMemo(() => url.hide?.split(',') ?? [], [url.hide]);
  if (charts.length === 0) return null;
  return (
    <div className={shared.charts}>
      {charts.map((chart) => (
        <TimeChart key={chart.spec.id} {...chart} range={page.range} zone={zone} hidden={hidden} onZoom={zoom} outdated={page.outdated}
          onHide={(next) => change({ hide: next.length === 0 ? undefined : next.join(',') })} />
      ))}
    </div>
  );
}

interface SortedProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  /** The order unless the URL says otherwise. */
  otherwise: Sort;
  outdated: boolean;
  empty: ReactNode;
}

/** One of several tables of a page, each with an order of its own in the URL. */
export function Sorted<Row extends object>({ otherwise, ...table }: SortedProps<Row>) {
  const url = useUrl();
  const change = useChangeUrl();
  const { columns } = table;
  return (
    <DataTable
      {...table}
      sort={sortOf(url.sort, columns, otherwise)}
      onSort={(sort: Sort) => change({ sort: withSort(url.sort, columns, sort, otherwise) }, true)}
    />
  );
}
