select
  w.pid::integer as pid,
  b.pid::integer as blocker_pid,
  coalesce(l.locktype, '')::text as locktype,
  coalesce(l.mode, '')::text as mode,
  coalesce(l.database, 0)::bigint as lock_datid,
  coalesce(l.relation, 0)::bigint as relid,
  w.datid::bigint as datid,
  w.usesysid::bigint as userid,
  w.application_name::text as application_name,
  w.state::text as state,
  w.xact_start::timestamptz as xact_start,
  w.query_start::timestamptz as query_start,
  l.waitstart::timestamptz as waitstart,
  w.query::text as query,
  h.mode::text as blocker_mode,
  a.datid::bigint as blocker_datid,
  a.usesysid::bigint as blocker_userid,
  a.application_name::text as blocker_application_name,
  a.state::text as blocker_state,
  a.xact_start::timestamptz as blocker_xact_start,
  a.state_change::timestamptz as blocker_state_change,
  a.query::text as blocker_query
from (
  -- Asking who blocks a session takes every partition of the lock table: only for those that wait, the
  -- longest first, and not without end.
  select s.pid, s.datid, s.usesysid, s.application_name, s.state, s.xact_start, s.query_start, s.query
  from pg_catalog.pg_stat_activity as s
  where s.wait_event_type = 'Lock' and s.pid <> pg_backend_pid()
  order by s.state_change
  limit 200
) as w
cross join lateral (select distinct p.pid from pg_catalog.unnest(pg_blocking_pids(w.pid)) as p (pid)) as b
left join lateral (
  select x.locktype, x.mode, x.database, x.relation, x.page, x.tuple, x.transactionid, x.virtualxid, x.classid,
    x.objid, x.objsubid, x.waitstart
  from pg_catalog.pg_locks as x
  where x.pid = w.pid and not x.granted
  limit 1
) as l on true
left join lateral (
  select string_agg(distinct g.mode, ', ' order by g.mode) as mode
  from pg_catalog.pg_locks as g
  where g.pid = b.pid and g.granted and g.locktype = l.locktype
    and g.database is not distinct from l.database and g.relation is not distinct from l.relation
    and g.page is not distinct from l.page and g.tuple is not distinct from l.tuple
    and g.transactionid is not distinct from l.transactionid and g.virtualxid is not distinct from l.virtualxid
    and g.classid is not distinct from l.classid and g.objid is not distinct from l.objid
    and g.objsubid is not distinct from l.objsubid
) as h on true
left join pg_catalog.pg_stat_activity as a on a.pid = b.pid
