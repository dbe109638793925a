select
  coalesce(sum(i.writes), 0)::bigint as writes,
  coalesce(sum(i.fsyncs), 0)::bigint as syncs,
  case when coalesce(sum(i.write_time), 0) < 9e15 then coalesce(sum(i.write_time), 0) * 1000 end::bigint as write_time,
  case when coalesce(sum(i.fsync_time), 0) < 9e15 then coalesce(sum(i.fsync_time), 0) * 1000 end::bigint as sync_time,
  max(i.stats_reset)::timestamptz as stats_reset
from pg_catalog.pg_stat_io as i
where i.object = 'wal' and i.context = 'normal'
