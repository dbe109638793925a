import { useMemo } from 'react';
import type { Progress, RunningCommand } from '../api/model';
import { Foreign } from '../format/Foreign';
import { coarse, exact } from '../format/number';
import { Missing, Num } from '../format/Num';
import type { Column, Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import { brief, done, target } from './progress';

/** They stand in the order in which they began, as they are answered. */
const AS_ANSWERED: Sort = { id: 'running', descending: true };

interface Props {
  progress: Progress;
  outdated: boolean;
}

/** Vacuum, analyze, building of indexes, copies and base backups that run, with how far each is. */
export function RunningCommands({ progress, outdated }: Props) {
  const columns = useMemo(() => runningColumns(progress), [progress]);
  return (
    <DataTable
      label="Running commands"
      columns={columns}
      rows={progress.data}
      rowKey={(row) => String(row.pid)}
      sort={AS_ANSWERED}
      onSort={() => undefined}
      outdated={outdated}
    />
  );
}

function runningColumns({ unmeasured }: Progress): Column<RunningCommand>[] {
  const why = (name: string, otherwise: string) => unmeasured[name]?.message ?? otherwise;
  return [
    {
      id: 'command', title: 'Command', width: 190, help: 'What runs, from the view pg_stat_progress_… of its kind', copied: [{ title: 'command', value: (row) => row.command }],
      cell: (row) => (row.command == null ? <Missing reason={why('command', 'Not known.')} /> : <span data-hint={`process ${row.pid}, ${row.backend_type ?? 'of unknown kind'}\n${row.view}`}>{row.command}</span>),
    },
    {
      id: 'on', title: 'On', width: 180, grow: true, copied: [{ title: 'on', value: target }, { title: 'database', value: (row) => row.database }],
      cell: (row) => {
        const on = target(row);
        const within = row.database == null ? 'all databases' : `database ${row.database}`;
        return on === null ? <Missing reason={row.relation == null && row.database == null ? 'It is of the whole instance.' : 'Not known.'} /> : <span data-hint={`${on}\n${within}`}><Foreign text={on} /></span>;
      },
    },
    {
      id: 'phase', title: 'Phase', width: 230, help: "In PostgreSQL's words", copied: [{ title: 'phase', value: (row) => row.phase }],
      cell: (row) => {
        const waits = row.waits_for_pid == null ? '' : `\nwaits for process ${row.waits_for_pid}`;
        const rounds = (row.index_vacuum_count ?? 0) === 0 ? '' : `\nrounds over the indexes: ${row.index_vacuum_count}`;
        return row.phase == null ? <Missing reason={why('phase', 'COPY has no phases.')} /> : <span data-hint={`${row.phase}${waits}${rounds}`}>{row.phase}</span>;
      },
    },
    {
      id: 'done', title: 'Done', width: 92, numeric: true, help: 'Of this phase', copied: [{ title: 'done', value: (row) => row.stage?.done }, { title: 'total', value: (row) => row.stage?.total }, { title: 'unit', value: (row) => row.stage?.unit }],
      cell: (row) => (row.stage == null ? <Missing reason="This phase does not tell how far it is." /> : <span data-hint={done(row.stage)}>{brief(row.stage)}</span>),
    },
    {
      id: 'age', title: 'For', width: 92, numeric: true, unitSlot: 4, help: 'Since it began', copied: [{ title: 'age', unit: 'ms', value: (row) => row.age_ms }],
      cell: (row) => (row.age_ms == null ? <Missing reason="When it began is not known." /> : <Num figure={coarse(row.age_ms)} hint={`${exact(row.age_ms)} ms${row.query_start == null ? '' : `\nsince ${row.query_start}`}`} />),
    },
  ];
}
