import { useMemo } from 'react';
import type { Ranking, RankingRow, Unmeasured } from '../api/model';
import { rankingColumns } from '../queries/columns';
import { lineKey, type Line } from '../queries/ranking';
import { parseSort, writeSort, type Sort } from '../tables/column';
import { DataTable } from '../tables/DataTable';
import type { Instants } from '../time/range';
import { useChangeUrl, useUrl } from '../time/useTime';
import type { Zone } from '../time/zone';

const COLUMNS = ['database', 'user', 'level', 'share', 'time', 'calls', 'mean', 'rows', 'hit', 'read', 'temp', 'wal'];
const BY_TIME: Sort = { id: 'time', descending: true };

interface Props {
  instanceId: string;
  rows: RankingRow[];
  blockSize: number | null;
  unmeasured: Unmeasured;
  range: Instants;
  zone: Zone;
  outdated: boolean;
}

/** The statement by database, user and level; a row filters the page. */
export function SplitTable({ instanceId, blockSize, rows, unmeasured, range, zone, outdated }: Props) {
  const url = useUrl();
  const change = useChangeUrl();
  const { start, end } = range;
  const columns = useMemo(() => {
    const all = rankingColumns({
      instanceId,
      blockSize,
      unmeasured,
      ranking: null as Ranking | null,
      range: { start, end },
      zone,
      filter: (name, value) => change({ [name]: value }),
    });
    return COLUMNS.flatMap((id) => all.filter((column) => column.id === id));
  }, [instanceId, blockSize, unmeasured, start, end, zone, change]);
  const lines: Line[] = rows;
  return (
    <DataTable
      label="Split by database, user and level"
      columns={columns}
      rows={lines}
      rowKey={lineKey}
      sort={parseSort(url.sort, BY_TIME)}
      onSort={(sort) => change({ sort: writeSort(sort, BY_TIME) })}
      onOpen={(line) => {
        if (line.others === true) return;
        change({ db: line.database, user: line.user });
      }}
      outdated={outdated}
    />
  );
}
