select
  w.subid::bigint as subid,
  coalesce(w.pid, 0)::integer as pid,
  w.subname::text as subname,
  case when w.leader_pid is not null then 'parallel apply' when w.relid is not null then 'table synchronization' when w.pid is not null then 'apply' end::text as worker_type,
  w.relid::bigint as relid,
  w.leader_pid::integer as leader_pid,
  (w.received_lsn - '0/0'::pg_lsn)::bigint as received_lsn,
  (w.latest_end_lsn - '0/0'::pg_lsn)::bigint as latest_end_lsn,
  case when isfinite(w.last_msg_send_time) then w.last_msg_send_time end::timestamptz as last_msg_send_time,
  case when isfinite(w.last_msg_receipt_time) then w.last_msg_receipt_time end::timestamptz as last_msg_receipt_time,
  case when isfinite(w.latest_end_time) then w.latest_end_time end::timestamptz as latest_end_time
from pg_catalog.pg_stat_subscription as w
