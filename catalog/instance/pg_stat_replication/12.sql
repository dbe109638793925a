select
  r.pid::integer as pid,
  r.usename::text as usename,
  r.application_name::text as application_name,
  host(r.client_addr)::text as client_addr,
  r.backend_start::timestamptz as backend_start,
  r.state::text as state,
  r.sync_state::text as sync_state,
  r.sync_priority::integer as sync_priority,
  case when r.sent_lsn < '7FFFFFFF/FFFFFFFF' then r.sent_lsn - '0/0'::pg_lsn end::bigint as sent_lsn,
  case when r.write_lsn < '7FFFFFFF/FFFFFFFF' then r.write_lsn - '0/0'::pg_lsn end::bigint as write_lsn,
  case when r.flush_lsn < '7FFFFFFF/FFFFFFFF' then r.flush_lsn - '0/0'::pg_lsn end::bigint as flush_lsn,
  case when r.replay_lsn < '7FFFFFFF/FFFFFFFF' then r.replay_lsn - '0/0'::pg_lsn end::bigint as replay_lsn,
  -- pg_current_wal_lsn() raises in recovery; a standby sends what it has received or replayed.
  -- What was sent was there, even where the view is a moment ahead of the position.
  (greatest(r.sent_lsn, case when pg_is_in_recovery()
    then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    else pg_current_wal_lsn() end) - '0/0'::pg_lsn)::bigint as current_lsn,
  case when r.write_lag < interval '100000 years'
    then extract(epoch from r.write_lag) * 1000000 end::bigint as write_lag,
  case when r.flush_lag < interval '100000 years'
    then extract(epoch from r.flush_lag) * 1000000 end::bigint as flush_lag,
  case when r.replay_lag < interval '100000 years'
    then extract(epoch from r.replay_lag) * 1000000 end::bigint as replay_lag,
  r.reply_time::timestamptz as reply_time
from pg_catalog.pg_stat_replication as r
