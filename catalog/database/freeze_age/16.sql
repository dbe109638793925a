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
  -- The schema tells the session's slot. Of one that is gone another database's session may have it now.
  select s.slot, (
    select b.pid from pg_catalog.pg_stat_activity as b
    where b.pid = pg_stat_get_backend_pid(s.slot) and b.datname = current_database()
  ) as pid
  from (select (regexp_match(n.nspname, '^pg_(?:toast_)?temp_([0-9]+)$'))[1]::integer as slot) as s
) as session on r.relpersistence = 't'
left join pg_catalog.pg_stat_activity as a on a.pid = session.pid
