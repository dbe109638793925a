import type { DatabaseAge, Wraparound } from '../api/model';
import { Sparkline } from '../charts/Sparkline';
import { Foreign } from '../format/Foreign';
import { count, exact, percent, text } from '../format/number';
import { Missing, Num } from '../format/Num';
import type { Column } from '../tables/column';

type Kind = 'xid' | 'mxid';

const SOURCE = { xid: 'age(pg_database.datfrozenxid)', mxid: 'mxid_age(pg_database.datminmxid)' } as const;

/** `148 M (7 %)` */
function age(id: string, title: string, kind: Kind, stop: number): Column<DatabaseAge> {
  return {
    id, title, width: 128, numeric: true, unit: 'count', help: `${SOURCE[kind]}\nShare of ${exact(stop)}, where PostgreSQL stops`,
    value: (row) => row[kind].age,
    cell: (row) => {
      const { age: value, share } = row[kind];
      if (value == null) return <Missing reason="No reading yet." />;
      return <span data-hint={`${exact(value)}\n${SOURCE[kind]}\nof ${exact(stop)}, where PostgreSQL stops`}>{`${text(count(value))} (${text(percent(share ?? 0))})`}</span>;
    },
  };
}

function forced(id: string, title: string, kind: Kind): Column<DatabaseAge> {
  const setting = kind === 'xid' ? 'autovacuum_freeze_max_age' : 'autovacuum_multixact_freeze_max_age';
  return {
    id, title, width: 160, numeric: true, unit: 'count', help: `Until autovacuum vacuums the oldest table even where it is off: ${setting} less the age`,
    value: (row) => row[kind].to_forced_vacuum,
    cell: (row) => {
      const left = row[kind].to_forced_vacuum;
      if (left == null) return <Missing reason="No reading yet." />;
      const hint = `${exact(left)}\n${setting} ${exact(row[kind].freeze_max_age ?? 0)}`;
      return left < 0 ? <span data-hint={hint}>past it</span> : <Num figure={count(left)} hint={hint} />;
    },
  };
}

function stop(id: string, title: string, kind: Kind): Column<DatabaseAge> {
  return {
    id, title, width: 136, numeric: true, unit: 'count', help: 'Until PostgreSQL assigns none any more',
    value: (row) => row[kind].to_stop,
    cell: (row) => {
      const left = row[kind].to_stop;
      return left == null ? <Missing reason="No reading yet." /> : <Num figure={count(left)} hint={`${exact(left)} until PostgreSQL stops`} />;
    },
  };
}

/** The oldest table, whatever it is: temporary ones have a session. */
function holder(id: string, title: string, kind: Kind, missing: string | undefined): Column<DatabaseAge> {
  return {
    id, title, width: 240, help: `The oldest table of the database: freeze_age.${kind}_age`,
    value: (row) => row[`${kind}_holder`]?.who ?? null,
    cell: (row) => {
      const one = row[`${kind}_holder`];
      if (one == null) return <Missing reason={missing ?? 'Tables of this database were not read.'} />;
      return <span data-hint={`${one.who}\n${exact(one.age ?? 0)}`}><Foreign text={one.who} /></span>;
    },
  };
}

export function ageColumns(wraparound: Wraparound): Column<DatabaseAge>[] {
  return [
    { id: 'age_database', title: 'Database', width: 150, grow: true, value: (row) => row.name, cell: (row) => <span data-hint={`oid ${row.datid}`}><Foreign text={row.name} /></span> },
    age('age_xid', 'XID age', 'xid', wraparound.xid_stop_age),
    holder('age_holder', 'Held by', 'xid', wraparound.unmeasured['xid_holder']?.message),
    { id: 'age_trend', title: 'Trend', help: 'XID age, from zero to its own highest', width: 100, cell: (row) => <Sparkline values={row.series.xid_age} /> },
    forced('age_forced', 'To forced vacuum', 'xid'),
    stop('age_stop', 'To stop', 'xid'),
    age('age_mxid', 'Multixact age', 'mxid', wraparound.mxid_stop_age),
    forced('age_mxid_forced', 'Multixacts to vacuum', 'mxid'),
    stop('age_mxid_stop', 'Multixacts to stop', 'mxid'),
    holder('age_mxid_holder', 'Multixacts held by', 'mxid', wraparound.unmeasured['mxid_holder']?.message),
  ];
}
