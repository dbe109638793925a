select
  s.subid::bigint as subid,
  s.apply_error_count::bigint as apply_error_count,
  s.sync_error_count::bigint as sync_error_count,
  s.confl_insert_exists::bigint as confl_insert_exists,
  s.confl_update_origin_differs::bigint as confl_update_origin_differs,
  s.confl_update_exists::bigint as confl_update_exists,
  s.confl_update_missing::bigint as confl_update_missing,
  s.confl_delete_origin_differs::bigint as confl_delete_origin_differs,
  s.confl_delete_missing::bigint as confl_delete_missing,
  s.confl_multiple_unique_conflicts::bigint as confl_multiple_unique_conflicts,
  s.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_subscription_stats as s
