select
  coalesce(a.datid, 0)::bigint as datid,
  coalesce(a.usesysid, 0)::bigint as userid,
  coalesce(a.application_name, '')::text as application_name,
  coalesce(a.backend_type, '')::text as backend_type,
  coalesce(a.query_id, 0)::bigint as queryid,
  a.state::text as state,
  coalesce(a.wait_event_type, '')::text as wait_event_type,
  coalesce(a.wait_event, '')::text as wait_event,
  count(*)::bigint as samples
from pg_catalog.pg_stat_activity as a
where a.pid <> pg_backend_pid()
  and a.state in ('active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call')
  -- Who sends WAL runs a statement for as long as it is connected, and is no load.
  and a.backend_type <> 'walsender'
  -- Who waits in its main loop has nothing to do.
  and a.wait_event_type is distinct from 'Activity'
group by 1, 2, 3, 4, 5, 6, 7, 8
