select
  r.oid::bigint as relid,
  n.nspname::text as schema,
  r.relname::text as relname,
  r.relkind::text as relkind,
  r.relpersistence::text as relpersistence,
  r.relisshared::boolean as is_shared,
  r.xid_age::bigint as xid_age,
  r.mxid_age::bigint as mxid_age,
  main.oid::bigint as main_relid,
  (main_schema.nspname || '.' || main.relname)::text as main_relation,
  session.slot::integer as session_slot,
  session.pid::integer as session_pid,
  a.backend_start::timestamptz as session_start,
  a.usesysid::bigint as session_userid,
  a.application_name::text as session_application_name,
  a.state::text as session_state
from (
  -- Those that datfrozenxid and datminmxid are made from, whatever their kind; the oldest by either.
  select ranked.*
  from (
    select c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.relisshared,
      case when c.relfrozenxid <> '0' then age(c.relfrozenxid) end as xid_age,
      case when c.relminmxid <> '0' then mxid_age(c.relminmxid) end as mxid_age,
      row_number() over (order by case when c.relfrozenxid <> '0' then age(c.relfrozenxid) end desc nulls last, c.oid) as by_xid,
      row_number() over (order by case when c.relminmxid <> '0' then mxid_age(c.relminmxid) end desc nulls last, c.oid) as by_mxid
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'm', 't')
  ) as ranked
  where ranked.by_xid <= 5 or ranked.by_mxid <= 5
) as r
join pg_catalog.pg_namespace as n on n.oid = r.relnamespace
left join pg_catalog.pg_class as main on r.relkind = 't' and main.reltoastrelid = r.oid
left join pg_catalog.pg_namespace as main_schema on main_schema.oid = main.relnamespace
left join lateral (
  -- The schema tells the session's slot. Whose it is, is said from 16 on; before, while the session is in a transaction.
  select s.slot, (
    select min(l.pid) from pg_catalog.pg_locks as l
    where l.pid is not null and l.locktype = 'virtualxid' and l.virtualtransaction like s.slot || '/%' and l.granted
  ) as pid
  from (select pg_catalog.substring(n.nspname, '^pg_(?:toast_)?temp_([0-9]+)$')::integer as slot) as s
) as session on r.relpersistence = 't'
left join pg_catalog.pg_stat_activity as a on a.pid = session.pid
