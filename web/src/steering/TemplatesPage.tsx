import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { ConfigTemplate, ConfigTemplates } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { Crumbs } from '../shell/Crumbs';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { momentField, parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { near, type Zone } from '../time/zone';
import { COLLECTORS } from './crumbs';
import { labelsText } from './steering';
import { TemplateEditor } from './TemplateEditor';

const REFRESH_S = 10;
const STRONGEST_FIRST: Sort = { id: 'priority', descending: true };

const madeAt = (row: ConfigTemplate): number => Date.parse(row.made_at);

function columns(zone: Zone): Column<ConfigTemplate>[] {
  return [
    {
      id: 'name',
      title: 'Template',
      width: 180,
      value: (row) => row.name,
      cell: (row) => (
        <Link to="/templates/$templateName" params={{ templateName: row.name }} search={(old: Search) => keepTime(old)}>
          <Foreign text={row.name} />
        </Link>
      ),
    },
    { id: 'labels', title: 'For', help: 'The labels that a collector must have', width: 220, grow: true, value: (row) => labelsText(row.selector), cell: (row) => <Foreign text={labelsText(row.selector) || 'all collectors'} /> },
    { id: 'priority', title: 'Priority', help: 'Of two that say the same setting the higher one wins', width: 84, numeric: true, value: (row) => row.priority, cell: (row) => String(row.priority) },
    { id: 'version', title: 'Version', width: 80, numeric: true, value: (row) => row.version, cell: (row) => String(row.version) },
    { id: 'made', title: 'Changed', width: 110, value: madeAt, copied: [momentField('Changed', madeAt)], cell: (row) => near(madeAt(row), zone, Date.now()) },
    { id: 'by', title: 'By', width: 120, value: (row) => row.made_by ?? null, cell: (row) => <Foreign text={row.made_by ?? '–'} /> },
  ];
}

/** What many collectors have in common. */
export function TemplatesPage() {
  const url = useUrl();
  const change = useChangeUrl();
  const navigate = useNavigate();
  const { zone } = useTime();
  const [isNew, setNew] = useState(false);
  const page = useReads<{ templates: ConfigTemplates }>(['templates'], () => ({ templates: '/config-templates' }), () => REFRESH_S);
  const read = page.reads?.templates;
  const all = read?.data?.data;
  const problem = read?.error ?? page.error;
  const open = (name: string) => void navigate({ to: '/templates/$templateName', params: { templateName: name }, search: (old: Search) => keepTime(old) });
  return (
    <PageFrame
      title={all === undefined ? 'Templates' : `${all.length} ${all.length === 1 ? 'template' : 'templates'} for collectors`}
      name="Templates"
      above={<Crumbs above={[COLLECTORS]} here="Templates" />}
    >
      {problem !== null && <ReadProblem what="templates" error={problem} shownAt={read?.at ?? 0} retry={page.retry} />}
      {(all !== undefined || problem === null) && (
        <DataTable
          label="Templates"
          columns={columns(zone)}
          rows={all ?? []}
          rowKey={(row) => row.name}
          sort={parseSort(url.sort, STRONGEST_FIRST)}
          onSort={(sort) => change({ sort: writeSort(sort, STRONGEST_FIRST) })}
          onOpen={(row) => open(row.name)}
          empty={all === undefined ? null : 'No template yet.'}
        />
      )}
      {isNew ? (
        <TemplateEditor template={null} saved={open} />
      ) : (
        all !== undefined && (
          <div>
            <Button onClick={() => setNew(true)}>New template</Button>
          </div>
        )
      )}
    </PageFrame>
  );
}
