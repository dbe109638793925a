select
  i.backend_type::text as backend_type,
  i.object::text as object,
  i.context::text as context,
  i.reads::bigint as reads,
  (i.reads * i.op_bytes)::bigint as read_bytes,
  case when i.read_time < 9e15 then i.read_time * 1000 end::bigint as read_time,
  i.writes::bigint as writes,
  (i.writes * i.op_bytes)::bigint as write_bytes,
  case when i.write_time < 9e15 then i.write_time * 1000 end::bigint as write_time,
  i.writebacks::bigint as writebacks,
  case when i.writeback_time < 9e15 then i.writeback_time * 1000 end::bigint as writeback_time,
  i.extends::bigint as extends,
  (i.extends * i.op_bytes)::bigint as extend_bytes,
  case when i.extend_time < 9e15 then i.extend_time * 1000 end::bigint as extend_time,
  i.hits::bigint as hits,
  i.evictions::bigint as evictions,
  i.reuses::bigint as reuses,
  i.fsyncs::bigint as fsyncs,
  case when i.fsync_time < 9e15 then i.fsync_time * 1000 end::bigint as fsync_time,
  i.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_io as i
-- Most of what could be counted never is.
where coalesce(i.reads, 0) + coalesce(i.writes, 0) + coalesce(i.writebacks, 0) + coalesce(i.extends, 0)
  + coalesce(i.hits, 0) + coalesce(i.evictions, 0) + coalesce(i.reuses, 0) + coalesce(i.fsyncs, 0) > 0
