select
  s.name::text as name,
  s.blks_zeroed::bigint as blks_zeroed,
  s.blks_hit::bigint as blks_hit,
  s.blks_read::bigint as blks_read,
  s.blks_written::bigint as blks_written,
  s.blks_exists::bigint as blks_exists,
  s.flushes::bigint as flushes,
  s.truncates::bigint as truncates,
  s.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_slru as s
