select
  s.subid::bigint as subid,
  s.apply_error_count::bigint as apply_error_count,
  s.sync_error_count::bigint as sync_error_count,
  s.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_subscription_stats as s
