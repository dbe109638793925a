select
  coalesce(sum(coalesce(i.writes, 0) + coalesce(i.extends, 0)), 0)::bigint as writes,
  coalesce(sum(i.fsyncs), 0)::bigint as fsyncs,
  max(i.stats_reset)::timestamptz as stats_reset
from pg_catalog.pg_stat_io as i
where i.object = 'relation' and i.backend_type not in ('background writer', 'checkpointer')
