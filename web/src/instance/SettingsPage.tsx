import { useParams } from '@tanstack/react-router';
import { queryString } from '../api/client';
import type { InstanceDetail, Setting, Settings } from '../api/model';
import { between, useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { Missing } from '../format/Num';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { exactMoment, type Zone } from '../time/zone';
import { InstanceFrame, instancePath, shortestInterval } from './InstanceFrame';
import { inUnit, isChanged } from './setting';
import styles from './SettingsPage.module.css';

interface Reads {
  instance: InstanceDetail;
  settings: Settings;
}

const PENDING_FIRST: Sort = { id: 'pending', descending: true };

function columns(zone: Zone): Column<Setting>[] {
  const withUnit = (value: string | null | undefined, unit: string | null | undefined) =>
    value == null ? null : <span data-hint={unit == null ? value : `${value} × ${unit}`}><Foreign text={value === '' ? "''" : inUnit(value, unit)} /></span>;
  return [
    { id: 'name', title: 'Name', width: 240, grow: true, value: (row) => row.name, cell: (row) => <code data-hint={row.short_desc ?? undefined}><Foreign text={row.name} /></code> },
    { id: 'value', title: 'Value', width: 200, value: (row) => row.setting, cell: (row) => withUnit(row.setting, row.unit) ?? <Missing reason="Each session has its own, or it is not readable." /> },
    { id: 'default', title: 'Default', width: 200, value: (row) => row.boot_val, cell: (row) => withUnit(row.boot_val, row.unit) ?? <Missing reason="It has no default." /> },
    { id: 'source', title: 'Source', width: 160, value: (row) => row.source, cell: (row) => row.source ?? <Missing reason="Each session has its own, or it is not readable." /> },
    { id: 'pending', title: 'Pending restart', width: 140, numeric: true, value: (row) => row.pending_restart, cell: (row) => row.pending_restart == null ? <Missing reason="Not readable." /> : row.pending_restart ? 'yes' : 'no' },
    { id: 'changed', title: 'Changed', width: 136, whole: true, value: (row) => row.changed_at, cell: (row) => typeof row.changed_at === 'string' ? exactMoment(Date.parse(row.changed_at), zone) : <Missing reason="Not since it is watched." /> },
  ];
}

/** `3 of 361 settings are not default, 1 waits for a restart` */
export function settingsHeading(settings: Setting[]): string {
  const changed = settings.filter(isChanged).length;
  const waiting = settings.filter((setting) => setting.pending_restart === true).length;
  const wait = waiting === 0 ? '' : `, ${waiting} ${waiting === 1 ? 'waits' : 'wait'} for a restart`;
  return `${changed} of ${settings.length} settings ${changed === 1 ? 'is' : 'are'} not default${wait}`;
}

export function SettingsPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/settings' });
  const url = useUrl();
  const change = useChangeUrl();
  const { range, zone } = useTime();
  const page = useReads<Reads>(
    ['settings', instanceId],
    (instants) => ({
      instance: instancePath(instanceId, instants),
      settings: `/instances/${instanceId}/settings${queryString({ at: range.kind === 'absolute' ? between(instants).end : undefined })}`,
    }),
    (reads) => shortestInterval(reads.instance.data),
  );
  const read = page.reads?.settings;
  const settings = read?.data?.data ?? null;
  const search = url.q?.toLowerCase() ?? '';
  const all = url.level === 'all' || search !== '';
  const rows = (settings ?? []).filter(
    (one) => (all || isChanged(one) || one.pending_restart === true) && one.name.toLowerCase().includes(search),
  );
  return (
    <InstanceFrame
      instanceId={instanceId}
      instance={page.reads?.instance}
      error={page.error}
      retry={page.retry}
      tab="Settings"
      title={settings == null ? 'Settings' : settings.length === 0 ? 'No settings read yet' : settingsHeading(settings)}
      fill
    >
      {read?.error != null && <ReadProblem what="settings" error={read.error} shownAt={read.at} retry={page.retry} />}
      {settings != null && (
        <>
          <div className={styles.filters}>
            <input
              type="search"
              aria-label="Search in names"
              placeholder="Search in names"
              value={url.q ?? ''}
              onChange={(event) => change({ q: event.target.value || undefined }, true)}
            />
            <Button pressed={url.level !== 'all'} onClick={() => change({ level: url.level === 'all' ? undefined : 'all' }, true)}>
              Not default only
            </Button>
          </div>
          <DataTable
            label="Settings"
            columns={columns(zone)}
            rows={rows}
            rowKey={(row) => row.name}
            sort={parseSort(url.sort, PENDING_FIRST)}
            onSort={(sort) => change({ sort: writeSort(sort, PENDING_FIRST) })}
            outdated={page.outdated}
            empty={settings.length === 0 ? 'No reading of pg_settings yet.' : 'No setting matches.'}
            fill
          />
        </>
      )}
    </InstanceFrame>
  );
}
