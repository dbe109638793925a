select
  w.wal_write::bigint as writes,
  w.wal_sync::bigint as syncs,
  case when w.wal_write_time < 9e15 then w.wal_write_time * 1000 end::bigint as write_time,
  case when w.wal_sync_time < 9e15 then w.wal_sync_time * 1000 end::bigint as sync_time,
  w.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_wal as w
