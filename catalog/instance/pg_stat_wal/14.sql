select
  w.wal_records::bigint as wal_records,
  w.wal_fpi::bigint as wal_fpi,
  case when w.wal_bytes < 9e18 then w.wal_bytes end::bigint as wal_bytes,
  w.wal_buffers_full::bigint as wal_buffers_full,
  w.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_wal as w
