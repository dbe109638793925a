select
  s.indexrelid::bigint as indexrelid,
  s.relid::bigint as relid,
  s.idx_scan::bigint as idx_scan,
  s.last_idx_scan::timestamptz as last_idx_scan,
  s.idx_tup_read::bigint as idx_tup_read,
  s.idx_tup_fetch::bigint as idx_tup_fetch,
  s.idx_scan::bigint as scans,
  d.stats_reset::timestamptz as stats_since,
  io.idx_blks_read::bigint as idx_blks_read,
  io.idx_blks_hit::bigint as idx_blks_hit,
  c.relpages::bigint as relpages
from pg_catalog.pg_class as c
join pg_catalog.pg_stat_all_indexes as s on s.indexrelid = c.oid
join pg_catalog.pg_statio_all_indexes as io on io.indexrelid = c.oid
left join pg_catalog.pg_stat_database as d on d.datname = current_database()
-- Indexes of TOAST tables are counted with their tables.
where c.relkind = 'i' and c.relpersistence <> 't' and not c.relisshared and s.schemaname <> 'pg_toast'
