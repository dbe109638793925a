select
  i.dealloc::bigint as dealloc,
  i.stats_reset::timestamptz as stats_reset
from {extension}.pg_stat_statements_info() as i
