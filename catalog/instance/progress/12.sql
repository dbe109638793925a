select
  coalesce(v.pid, i.pid, k.pid)::integer as pid,
  ('pg_stat_progress_' || case when v.pid is not null then 'vacuum' when i.pid is not null then 'create_index' when k.pid is not null then 'cluster' end)::text as view,
  case when v.phase is not null then 'VACUUM' when i.phase is not null then i.command when k.phase is not null then k.command end::text as command,
  coalesce(v.phase, i.phase, k.phase)::text as phase,
  coalesce(v.datid, i.datid, k.datid)::bigint as datid,
  nullif(coalesce(v.relid, i.relid, k.relid), 0)::bigint as relid,
  nullif(coalesce(i.index_relid, k.cluster_index_relid), 0)::bigint as index_relid,
  s.backend_type::text as backend_type,
  s.usesysid::bigint as userid,
  s.query_start::timestamptz as query_start,
  coalesce(v.heap_blks_total, k.heap_blks_total)::bigint as heap_blks_total,
  coalesce(v.heap_blks_scanned, k.heap_blks_scanned)::bigint as heap_blks_scanned,
  v.heap_blks_vacuumed::bigint as heap_blks_vacuumed,
  v.index_vacuum_count::bigint as index_vacuum_count,
  v.num_dead_tuples::bigint as num_dead_item_ids,
  (v.num_dead_tuples * 6)::bigint as dead_tuple_bytes,
  (v.max_dead_tuples * 6)::bigint as max_dead_tuple_bytes,
  i.lockers_total::bigint as lockers_total,
  i.lockers_done::bigint as lockers_done,
  i.current_locker_pid::bigint as current_locker_pid,
  i.blocks_total::bigint as blocks_total,
  i.blocks_done::bigint as blocks_done,
  i.tuples_total::bigint as tuples_total,
  i.tuples_done::bigint as tuples_done,
  i.partitions_total::bigint as partitions_total,
  i.partitions_done::bigint as partitions_done,
  k.heap_tuples_scanned::bigint as heap_tuples_scanned,
  k.heap_tuples_written::bigint as heap_tuples_written,
  k.index_rebuild_count::bigint as index_rebuild_count
from pg_catalog.pg_stat_progress_vacuum as v
full join pg_catalog.pg_stat_progress_create_index as i on i.pid = v.pid
full join pg_catalog.pg_stat_progress_cluster as k on k.pid = coalesce(v.pid, i.pid)
-- Of none but these processes.
left join lateral pg_catalog.pg_stat_get_activity(coalesce(v.pid, i.pid, k.pid)) as s on true
