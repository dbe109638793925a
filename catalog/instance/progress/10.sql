select
  v.pid::integer as pid,
  'pg_stat_progress_vacuum'::text as view,
  case when v.phase is not null then 'VACUUM' end::text as command,
  v.phase::text as phase,
  v.datid::bigint as datid,
  nullif(v.relid, 0)::bigint as relid,
  s.backend_type::text as backend_type,
  s.usesysid::bigint as userid,
  s.query_start::timestamptz as query_start,
  v.heap_blks_total::bigint as heap_blks_total,
  v.heap_blks_scanned::bigint as heap_blks_scanned,
  v.heap_blks_vacuumed::bigint as heap_blks_vacuumed,
  v.index_vacuum_count::bigint as index_vacuum_count,
  v.num_dead_tuples::bigint as num_dead_item_ids,
  (v.num_dead_tuples * 6)::bigint as dead_tuple_bytes,
  (v.max_dead_tuples * 6)::bigint as max_dead_tuple_bytes
from pg_catalog.pg_stat_progress_vacuum as v
-- Of none but these processes.
left join lateral pg_catalog.pg_stat_get_activity(v.pid) as s on true
