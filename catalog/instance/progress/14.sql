select
  coalesce(v.pid, z.pid, i.pid, k.pid, y.pid, b.pid)::integer as pid,
  ('pg_stat_progress_' || case when v.pid is not null then 'vacuum' when z.pid is not null then 'analyze' when i.pid is not null then 'create_index' when k.pid is not null then 'cluster' when y.pid is not null then 'copy' when b.pid is not null then 'basebackup' end)::text as view,
  case when v.phase is not null then 'VACUUM' when z.phase is not null then 'ANALYZE' when i.phase is not null then i.command when k.phase is not null then k.command when y.command is not null then y.command when b.phase is not null then 'BASE BACKUP' end::text as command,
  coalesce(v.phase, z.phase, i.phase, k.phase, b.phase)::text as phase,
  coalesce(v.datid, z.datid, i.datid, k.datid, y.datid)::bigint as datid,
  nullif(coalesce(v.relid, z.relid, i.relid, k.relid, y.relid), 0)::bigint as relid,
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
  z.sample_blks_total::bigint as sample_blks_total,
  z.sample_blks_scanned::bigint as sample_blks_scanned,
  z.ext_stats_total::bigint as ext_stats_total,
  z.ext_stats_computed::bigint as ext_stats_computed,
  z.child_tables_total::bigint as child_tables_total,
  z.child_tables_done::bigint as child_tables_done,
  nullif(z.current_child_table_relid, 0)::bigint as current_child_table_relid,
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
  k.index_rebuild_count::bigint as index_rebuild_count,
  y.type::text as copy_type,
  y.bytes_total::bigint as bytes_total,
  y.bytes_processed::bigint as bytes_processed,
  y.tuples_processed::bigint as tuples_processed,
  y.tuples_excluded::bigint as tuples_excluded,
  b.backup_total::bigint as backup_total,
  b.backup_streamed::bigint as backup_streamed,
  b.tablespaces_total::bigint as tablespaces_total,
  b.tablespaces_streamed::bigint as tablespaces_streamed
from pg_catalog.pg_stat_progress_vacuum as v
full join pg_catalog.pg_stat_progress_analyze as z on z.pid = v.pid
full join pg_catalog.pg_stat_progress_create_index as i on i.pid = coalesce(v.pid, z.pid)
full join pg_catalog.pg_stat_progress_cluster as k on k.pid = coalesce(v.pid, z.pid, i.pid)
full join pg_catalog.pg_stat_progress_copy as y on y.pid = coalesce(v.pid, z.pid, i.pid, k.pid)
full join pg_catalog.pg_stat_progress_basebackup as b on b.pid = coalesce(v.pid, z.pid, i.pid, k.pid, y.pid)
-- Of none but these processes.
left join lateral pg_catalog.pg_stat_get_activity(coalesce(v.pid, z.pid, i.pid, k.pid, y.pid, b.pid)) as s on true
