import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { change } from '../api/client';
import type { BroughtDefinition, BroughtDefinitions, CustomSet, CustomSets } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { Notice } from '../notices/Notice';
import { ReadProblem } from '../notices/ReadProblem';
import { Button } from '../shell/Button';
import { Crumbs } from '../shell/Crumbs';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { COLLECTORS } from '../steering/crumbs';
import { labelsText } from '../steering/steering';
import { momentField, parseSort, writeSort, type Column, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { near, type Zone } from '../time/zone';
import { refusal } from '../versioned/refusal';
import styles from '../versioned/versioned.module.css';
import { CustomSetEditor } from './CustomSetEditor';

interface Reads {
  sets: CustomSets;
  brought: BroughtDefinitions;
}

const REFRESH_S = 10;
const BY_NAME: Sort = { id: 'name', descending: false };

const madeAt = (row: CustomSet): number => Date.parse(row.made_at);

function forWhom(row: CustomSet): string {
  const labels = labelsText(row.selector);
  const named = row.collectors.length === 0 ? '' : `${row.collectors.length} by name`;
  return [labels, named].filter((one) => one !== '').join(', ') || 'all collectors';
}

function columns(zone: Zone): Column<CustomSet>[] {
  return [
    {
      id: 'name',
      title: 'Set',
      width: 200,
      value: (row) => row.name,
      cell: (row) => (
        <Link to="/custom-sets/$setName" params={{ setName: row.name }} search={(old: Search) => keepTime(old)}>
          {row.name}
        </Link>
      ),
    },
    { id: 'for', title: 'For', help: 'The labels that a collector must have, or how many are named', width: 200, value: forWhom, cell: (row) => <Foreign text={forWhom(row)} /> },
    { id: 'version', title: 'Version', width: 80, numeric: true, value: (row) => row.version, cell: (row) => String(row.version) },
    { id: 'made', title: 'Changed', width: 110, value: madeAt, copied: [momentField('Changed', madeAt)], cell: (row) => near(madeAt(row), zone, Date.now()) },
    { id: 'by', title: 'By', width: 120, value: (row) => row.made_by ?? null, cell: (row) => <Foreign text={row.made_by ?? '–'} /> },
    { id: 'note', title: 'Why', width: 200, grow: true, value: (row) => row.note ?? null, cell: (row) => <Foreign text={row.note ?? ''} /> },
  ];
}

/** Sets of the users' own that are written here, and those that collectors brought. */
export function CustomSetsPage() {
  const url = useUrl();
  const changeUrl = useChangeUrl();
  const navigate = useNavigate();
  const { zone } = useTime();
  const [isNew, setNew] = useState(false);
  const page = useReads<Reads>(['custom-sets'], () => ({ sets: '/custom-sets', brought: '/set-definitions' }), () => REFRESH_S);
  const read = page.reads?.sets;
  const all = read?.data?.data;
  const problem = read?.error ?? page.error;
  const brought = page.reads?.brought.data?.data ?? [];
  const open = (name: string) => void navigate({ to: '/custom-sets/$setName', params: { setName: name }, search: (old: Search) => keepTime(old) });
  return (
    <PageFrame
      title={all === undefined ? 'Custom sets' : `${all.length} custom ${all.length === 1 ? 'set' : 'sets'} from this server`}
      name="Custom sets"
      above={<Crumbs above={[COLLECTORS]} here="Custom sets" />}
    >
      {problem !== null && <ReadProblem what="custom sets" error={problem} shownAt={read?.at ?? 0} retry={page.retry} />}
      {(all !== undefined || problem === null) && (
        <DataTable
          label="Custom sets"
          columns={columns(zone)}
          rows={all ?? []}
          rowKey={(row) => row.name}
          sort={parseSort(url.sort, BY_NAME)}
          onSort={(sort) => changeUrl({ sort: writeSort(sort, BY_NAME) })}
          onOpen={(row) => open(row.name)}
          empty={all === undefined ? null : 'No custom set yet.'}
        />
      )}
      <Brought definitions={brought} decided={page.retry} />
      {isNew ? (
        <CustomSetEditor set={null} saved={open} />
      ) : (
        all !== undefined && (
          <div>
            <Button onClick={() => setNew(true)}>New custom set</Button>
          </div>
        )
      )}
    </PageFrame>
  );
}

/** Definitions that collectors brought from their own CATALOG_DIR: nothing is stored of those that wait. */
function Brought({ definitions, decided }: { definitions: BroughtDefinition[]; decided: () => void }) {
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  if (definitions.length === 0) return null;

  async function decide(hash: string, how: 'approve' | 'refuse') {
    setBusy(true);
    setProblem('');
    try {
      await change('POST', `/set-definitions/${hash}/${how}`, {});
      decided();
    } catch (error) {
      setProblem(refusal(error).text);
    } finally {
      setBusy(false);
    }
  }

  return (
    <section className={styles.section} aria-label="From collectors">
      <h2>Brought by collectors from their CATALOG_DIR</h2>
      {problem !== '' && <Notice kind="warning">{problem}</Notice>}
      <ol className={styles.versions}>
        {definitions.map((one) => (
          <li key={one.hash}>
            <details open={one.state === 'waiting'}>
              <summary>
                <Foreign text={`${one.set} from ${one.collector}: ${one.state === 'waiting' ? 'waits, and nothing of it is stored' : `${one.state} by ${one.decided_by ?? '?'}`}`} />
              </summary>
              <div>
                <pre className={styles.text}>{JSON.stringify(one.definition, null, 2)}</pre>
                <div className={styles.row}>
                  {one.state !== 'approved' && <Button onClick={() => void decide(one.hash, 'approve')} disabled={busy}>Approve {one.set}</Button>}
                  {one.state === 'waiting' && <Button onClick={() => void decide(one.hash, 'refuse')} disabled={busy}>Refuse {one.set}</Button>}
                </div>
              </div>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}
