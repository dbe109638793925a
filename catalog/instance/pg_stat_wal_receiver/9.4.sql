select
  (p.received - '0/0'::pg_lsn)::bigint as received_lsn,
  (p.replayed - '0/0'::pg_lsn)::bigint as replayed_lsn,
  -- Replay may have gone on between the two looks, and after a restart it is ahead of what was streamed.
  case when p.received is not null then greatest(p.received - p.replayed, 0) end::bigint as not_replayed_bytes,
  p.last_transaction::timestamptz as last_replayed_at,
  -- The age of what was replayed says nothing while there is nothing to replay. Where the clock here is behind the
  -- primary's by more, it is not known: 0 would be all replayed. Nor is it known whether anything arrives.
  case
    when p.replayed < p.received and isfinite(p.last_transaction) and p.now > p.last_transaction
      then extract(epoch from p.now - p.last_transaction) * 1000000 end::bigint as replay_lag,
  case when pg_is_in_recovery() then pg_is_xlog_replay_paused() end::boolean as replay_paused
from (
  select pg_last_xlog_receive_location() as received,
    pg_last_xlog_replay_location() as replayed,
    pg_last_xact_replay_timestamp() as last_transaction,
    clock_timestamp() as now
) p
where pg_is_in_recovery()
