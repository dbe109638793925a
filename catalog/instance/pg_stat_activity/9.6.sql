select
  a.pid::integer as pid,
  coalesce(a.backend_start, '-infinity')::timestamptz as backend_start,
  coalesce(a.datid, 0)::bigint as datid,
  coalesce(a.usesysid, 0)::bigint as userid,
  -- Said from 10 on. What only serves the instance is not shown before, nor who follows it physically.
  (case when a.pid in (select w.pid from pg_catalog.pg_stat_get_wal_senders() as w) then 'walsender'
    when a.query like 'autovacuum: %' then 'autovacuum worker' else 'client backend' end)::text as backend_type,
  coalesce(a.application_name, '')::text as application_name,
  coalesce(host(a.client_addr), '')::text as client_addr,
  a.state::text as state,
  a.wait_event_type::text as wait_event_type,
  a.wait_event::text as wait_event,
  a.xact_start::timestamptz as xact_start,
  a.query_start::timestamptz as query_start,
  a.state_change::timestamptz as state_change,
  age(a.backend_xid)::bigint as xid_age,
  age(a.backend_xmin)::bigint as xmin_age,
  nullif(a.query, '')::text as query
from pg_catalog.pg_stat_activity as a
-- What only serves the instance is counted in the set sessions, and so are idle sessions.
where a.pid <> pg_backend_pid()
  and (a.state <> 'idle' or a.backend_xid is not null or a.backend_xmin is not null or a.query like 'autovacuum: %')
