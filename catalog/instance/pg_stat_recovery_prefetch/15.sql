select
  p.prefetch::bigint as prefetch,
  p.hit::bigint as hit,
  p.skip_init::bigint as skip_init,
  p.skip_new::bigint as skip_new,
  p.skip_fpw::bigint as skip_fpw,
  p.skip_rep::bigint as skip_rep,
  p.wal_distance::integer as wal_distance,
  p.block_distance::integer as block_distance,
  p.io_depth::integer as io_depth,
  p.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_recovery_prefetch as p
