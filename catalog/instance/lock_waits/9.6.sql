select
  r.pid::integer as pid,
  r.blocker_pid::integer as blocker_pid,
  r.locktype::text as locktype,
  r.mode::text as mode,
  r.lock_datid::bigint as lock_datid,
  r.relid::bigint as relid,
  r.datid::bigint as datid,
  r.userid::bigint as userid,
  r.application_name::text as application_name,
  r.state::text as state,
  r.xact_start::timestamptz as xact_start,
  r.query_start::timestamptz as query_start,
  r.query::text as query,
  r.blocker_mode::text as blocker_mode,
  r.blocker_datid::bigint as blocker_datid,
  r.blocker_userid::bigint as blocker_userid,
  r.blocker_application_name::text as blocker_application_name,
  r.blocker_state::text as blocker_state,
  r.blocker_xact_start::timestamptz as blocker_xact_start,
  r.blocker_state_change::timestamptz as blocker_state_change,
  r.blocker_query::text as blocker_query,
  r.workers::integer as workers,
  r.lock_page::integer as lock_page,
  r.lock_tuple::integer as lock_tuple,
  r.lock_xid::bigint as lock_xid,
  r.lock_virtualxid::text as lock_virtualxid,
  r.lock_classid::bigint as lock_classid,
  r.lock_objid::bigint as lock_objid,
  r.lock_objsubid::integer as lock_objsubid,
  r.lock_class::text as lock_class,
  r.relation_name::text as relation_name,
  r.blocker_xid::bigint as blocker_xid,
  r.blocker_gid::text as blocker_gid,
  r.blocker_prepared::timestamptz as blocker_prepared,
  r.blocker_relations::text as blocker_relations
from (
  with sessions as (
    select a.pid, a.datid, a.usesysid, a.application_name, a.state, a.wait_event_type, a.xact_start, a.query_start,
      a.state_change, a.query,
      -- Which of them are parallel workers is said from 10 on.
      a.pid as session
    from pg_catalog.pg_stat_activity as a
  ),
  -- Asking who blocks a session takes every partition of the lock table: only for those that wait, the
  -- longest first, and not without end.
  waiting as (
    select s.pid, s.session, s.state_change
    from sessions as s
    join (
      select o.session from sessions as o
      where o.wait_event_type = 'Lock' and o.pid <> pg_backend_pid()
      group by o.session order by min(o.state_change) limit 200
    ) as longest on longest.session = s.session
    where s.wait_event_type = 'Lock'
  ),
  locks as (
    select raw.pid, raw.granted, raw.mode, raw.locktype, raw.database, raw.relation, raw.page, raw.tuple,
      raw.transactionid, raw.virtualxid, raw.classid, raw.objid, raw.objsubid,
      -- What a prepared transaction holds has no pid.
      case when raw.pid is null then raw.virtualtransaction else coalesce(s.session, raw.pid)::text end as holder,
      row(raw.locktype, raw.database, raw.relation, raw.page, raw.tuple, raw.transactionid, raw.virtualxid,
        raw.classid, raw.objid, raw.objsubid)::text as object
    from pg_catalog.pg_locks as raw
    left join sessions as s on s.pid = raw.pid
  ),
  -- The lock on its own id tells which prepared transaction a holder is.
  prepared as (
    select x.transaction::text::bigint as xid, x.gid, x.prepared, role.oid as ownerid, d.oid as dbid, l.holder
    from pg_catalog.pg_prepared_xacts as x
    join locks as l on l.pid is null and l.granted and l.locktype = 'transactionid' and l.transactionid = x.transaction
    left join pg_catalog.pg_roles as role on role.rolname = x.owner
    left join pg_catalog.pg_database as d on d.datname = x.database
  ),
  pairs as (
    select distinct on (w.session, b.pid, p.xid)
      w.session as pid, w.pid as member, b.pid as blocker_pid, l.locktype, l.mode, l.database, l.relation, l.page,
      l.tuple, l.transactionid, l.virtualxid, l.classid, l.objid, l.objsubid, l.object,
      p.xid, p.gid, p.prepared, p.ownerid, p.dbid,
      case when b.pid = 0 then p.holder else b.pid::text end as holder
    from waiting as w
    cross join lateral (select distinct u.pid from pg_catalog.unnest(pg_blocking_pids(w.pid)) as u (pid)) as b
    left join locks as l on l.pid = w.pid and not l.granted
    left join prepared as p on b.pid = 0 and exists (
      select from locks as h
      where h.holder = p.holder and h.granted and h.object = l.object
        and h.mode = any (case l.mode
          when 'AccessShareLock' then '{AccessExclusiveLock}'
          when 'RowShareLock' then '{ExclusiveLock,AccessExclusiveLock}'
          when 'RowExclusiveLock' then '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'
          when 'ShareUpdateExclusiveLock' then
            '{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'
          when 'ShareLock' then
            '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'
          when 'ShareRowExclusiveLock' then array['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
            'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
          when 'ExclusiveLock' then array['RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
            'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
          else array[h.mode] end))
    order by w.session, b.pid, p.xid, w.state_change, w.pid
  )
  select
    w.pid,
    w.blocker_pid,
    coalesce(w.locktype, '') as locktype,
    coalesce(w.mode, '') as mode,
    coalesce(w.database, wanted.database, 0) as lock_datid,
    coalesce(w.relation, wanted.relation, 0) as relid,
    s.datid,
    s.usesysid as userid,
    s.application_name,
    s.state,
    s.xact_start,
    s.query_start,
    s.query,
    held.modes as blocker_mode,
    coalesce(blocker.datid, w.dbid) as blocker_datid,
    coalesce(blocker.usesysid, w.ownerid) as blocker_userid,
    blocker.application_name as blocker_application_name,
    blocker.state as blocker_state,
    blocker.xact_start as blocker_xact_start,
    blocker.state_change as blocker_state_change,
    blocker.query as blocker_query,
    (select count(*) from waiting as o where o.session = w.pid and o.pid <> w.pid) as workers,
    coalesce(w.page, wanted.page) as lock_page,
    coalesce(w.tuple, wanted.tuple) as lock_tuple,
    w.transactionid::text::bigint as lock_xid,
    w.virtualxid as lock_virtualxid,
    w.classid as lock_classid,
    w.objid as lock_objid,
    w.objsubid as lock_objsubid,
    (select c.relname from pg_catalog.pg_class as c
      where w.locktype = 'object' and c.oid = w.classid) as lock_class,
    -- Names of another database are in its own set pg_class.
    (select n.nspname || '.' || c.relname
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.oid = coalesce(w.relation, wanted.relation)
        and coalesce(w.database, wanted.database) in (
          0, (select d.oid from pg_catalog.pg_database as d where d.datname = current_database()))) as relation_name,
    w.xid as blocker_xid,
    w.gid as blocker_gid,
    w.prepared as blocker_prepared,
    holds.relations as blocker_relations
  from pairs as w
  join sessions as s on s.pid = w.pid
  left join sessions as blocker on blocker.pid = w.blocker_pid
  -- Who waits for another to end holds the row that it wants.
  left join (
    select distinct on (t.pid) t.pid, t.database, t.relation, t.page, t.tuple
    from locks as t
    where t.granted and t.locktype = 'tuple'
    order by t.pid
  ) as wanted on wanted.pid = w.member and w.relation is null
  left join (
    select g.holder, g.object, string_agg(distinct g.mode, ', ' order by g.mode) as modes
    from locks as g
    where g.granted and g.object in (select o.object from locks as o where not o.granted)
    group by g.holder, g.object
  ) as held on held.holder = w.holder and held.object = w.object
  left join (
    select r.holder, array_to_string((array_agg(r.relation || ' ' || r.mode
      order by r.relation >= 16384 desc, r.strength desc, r.relation))[1:20], ', ') as relations
    from (
      select distinct on (g.holder, g.relation) g.holder, g.relation, g.mode, mode.strength
      from locks as g
      join pg_catalog.unnest(array['RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
        'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']) with ordinality as mode (name, strength)
        on mode.name = g.mode
      where g.granted and g.locktype = 'relation' and g.holder in (select o.holder from pairs as o)
      order by g.holder, g.relation, mode.strength desc
    ) as r
    group by r.holder
  ) as holds on holds.holder = w.holder
) as r
