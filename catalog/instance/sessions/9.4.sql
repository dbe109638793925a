select
  coalesce(a.datid, 0)::bigint as datid,
  coalesce(a.usesysid, 0)::bigint as userid,
  -- Said from 10 on. What only serves the instance is not shown before, nor who follows it physically.
  (case when a.pid in (select w.pid from pg_catalog.pg_stat_get_wal_senders() as w) then 'walsender'
    when a.query like 'autovacuum: %' then 'autovacuum worker' else 'client backend' end)::text as backend_type,
  -- The session that reads takes a connection too, and is idle but for the reading.
  (case when a.pid = pg_backend_pid() then 'idle' else coalesce(a.state, '') end)::text as state,
  (case when a.pid = pg_backend_pid() then 'Client' when a.waiting then 'Lock' else '' end)::text as wait_event_type,
  (case when a.pid = pg_backend_pid() then 'ClientRead' else '' end)::text as wait_event,
  count(*)::bigint as sessions,
  (extract(epoch from max(greatest(clock_timestamp() - a.xact_start, interval '0'))
    filter (where a.pid <> pg_backend_pid())) * 1000000)::bigint as xact_age,
  (extract(epoch from max(greatest(clock_timestamp() - a.query_start, interval '0'))
    filter (where a.state = 'active' and a.pid <> pg_backend_pid())) * 1000000)::bigint as query_age,
  max(age(a.backend_xmin)) filter (where a.pid <> pg_backend_pid())::bigint as xmin_age
from pg_catalog.pg_stat_activity as a
group by 1, 2, 3, 4, 5, 6
