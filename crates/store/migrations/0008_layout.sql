-- How the tables of measurements are kept: decided when the store is made, changed by an administrator's command.
alter table metrics.store add column layout text not null default 'native'
    check (layout in ('native', 'timescale', 'citus'));
-- While they are brought from one layout to another.
alter table metrics.store add column changing_to text check (changing_to in ('timescale'));

-- Partitions that retention is taking: noted before they are detached, which is several transactions, until they are
-- dropped. A reader that uses them may hold them back for long.
create table metrics.leaving (
    partition_name text primary key,
    table_name text not null,
    first timestamptz not null,
    until timestamptz not null
);

-- What readers cannot have any more: all of a table up to a moment.
create view metrics.absent as
select n.table_name, max(n.until) as until
from (select g.table_name, g.until from metrics.gone g union all select l.table_name, l.until from metrics.leaving l) n
group by n.table_name;

comment on column metrics.store.layout is 'native: partitions of PostgreSQL; timescale: hypertables; citus: partitions, distributed by instance.';
comment on column metrics.store.changing_to is 'The layout that the tables are being brought to; no server runs meanwhile.';
comment on table metrics.leaving is 'Partitions that retention is taking, until they are dropped.';
comment on view metrics.absent is 'Until when the rows of a table are gone, or on their way out.';
