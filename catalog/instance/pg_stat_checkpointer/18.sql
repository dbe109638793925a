select
  c.num_timed::bigint as num_timed,
  c.num_requested::bigint as num_requested,
  c.num_done::bigint as num_done,
  c.restartpoints_timed::bigint as restartpoints_timed,
  c.restartpoints_req::bigint as restartpoints_req,
  c.restartpoints_done::bigint as restartpoints_done,
  case when c.write_time < 9e15 then c.write_time * 1000 end::bigint as write_time,
  case when c.sync_time < 9e15 then c.sync_time * 1000 end::bigint as sync_time,
  c.buffers_written::bigint as buffers_written,
  c.slru_written::bigint as slru_written,
  c.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_checkpointer as c
