select
  c.oid::bigint as relid,
  t.seq_scan::bigint as seq_scan,
  t.seq_tup_read::bigint as seq_tup_read,
  t.idx_scan::bigint as idx_scan,
  t.idx_tup_fetch::bigint as idx_tup_fetch,
  t.n_tup_ins::bigint as n_tup_ins,
  t.n_tup_upd::bigint as n_tup_upd,
  t.n_tup_del::bigint as n_tup_del,
  t.n_tup_hot_upd::bigint as n_tup_hot_upd,
  t.n_live_tup::bigint as n_live_tup,
  t.n_dead_tup::bigint as n_dead_tup,
  t.n_mod_since_analyze::bigint as n_mod_since_analyze,
  t.n_ins_since_vacuum::bigint as n_ins_since_vacuum,
  t.last_vacuum::timestamptz as last_vacuum,
  t.last_autovacuum::timestamptz as last_autovacuum,
  t.last_analyze::timestamptz as last_analyze,
  t.last_autoanalyze::timestamptz as last_autoanalyze,
  t.vacuum_count::bigint as vacuum_count,
  t.autovacuum_count::bigint as autovacuum_count,
  t.analyze_count::bigint as analyze_count,
  t.autoanalyze_count::bigint as autoanalyze_count,
  io.heap_blks_read::bigint as heap_blks_read,
  io.heap_blks_hit::bigint as heap_blks_hit,
  io.idx_blks_read::bigint as idx_blks_read,
  io.idx_blks_hit::bigint as idx_blks_hit,
  io.toast_blks_read::bigint as toast_blks_read,
  io.toast_blks_hit::bigint as toast_blks_hit,
  io.tidx_blks_read::bigint as tidx_blks_read,
  io.tidx_blks_hit::bigint as tidx_blks_hit,
  c.relpages::bigint as relpages,
  nullif(c.reltuples, -1)::float8 as reltuples,
  c.relallvisible::bigint as relallvisible,
  greatest(age(c.relfrozenxid), age(toast.relfrozenxid))::bigint as xid_age,
  greatest(mxid_age(c.relminmxid), mxid_age(toast.relminmxid))::bigint as mxid_age
from pg_catalog.pg_class as c
join pg_catalog.pg_stat_all_tables as t on t.relid = c.oid
join pg_catalog.pg_statio_all_tables as io on io.relid = c.oid
left join pg_catalog.pg_class as toast on toast.oid = c.reltoastrelid
-- Shared catalogs would be counted in every database; temporary tables are a session's own.
where c.relkind in ('r', 'm') and c.relpersistence <> 't' and not c.relisshared
