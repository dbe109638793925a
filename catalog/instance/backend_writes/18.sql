select
  (coalesce(sum(coalesce(i.write_bytes, 0) + coalesce(i.extend_bytes, 0)), 0)
    / pg_catalog.current_setting('block_size')::bigint)::bigint as writes,
  coalesce(sum(i.fsyncs), 0)::bigint as fsyncs,
  max(i.stats_reset)::timestamptz as stats_reset
from pg_catalog.pg_stat_io as i
where i.object = 'relation' and i.backend_type not in ('background writer', 'checkpointer')
