select
  b.buffers_backend::bigint as writes,
  b.buffers_backend_fsync::bigint as fsyncs,
  b.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_bgwriter as b
