select
  r.seqrelid::bigint as seqrelid,
  r.status::text as status,
  r.last_value::bigint as last_value,
  r.end_value::bigint as end_value,
  -- Of nothing nothing is known: greatest() would leave out what is NULL.
  case when r.last_value is not null then least(greatest(
    trunc((r.end_value - r.last_value::numeric) / r.increment), 0), 9223372036854775807) end::bigint as remaining,
  case when r.last_value is not null then least(greatest(
    (r.last_value::numeric - r.begin_value) / nullif(r.end_value::numeric - r.begin_value, 0), 0), 1) end::float8 as used
from (
  select q.seqrelid, q.increment, q.begin_value, q.end_value, q.last_value,
    case when q.problem is not null then q.problem when q.last_value is null then 'unused' else 'read' end as status
  from (
    select p.seqrelid, p.increment, p.begin_value, p.end_value, p.problem,
      case when p.problem is null then pg_catalog.pg_sequence_last_value(p.seqrelid) end as last_value
    from (
      select s.seqrelid, s.seqincrement as increment,
        case when s.seqincrement > 0 then s.seqmin else s.seqmax end as begin_value,
        case when s.seqincrement > 0 then least(s.seqmax, column_type.most)
          else greatest(s.seqmin, -column_type.most - 1) end as end_value,
        case
          when not has_sequence_privilege(s.seqrelid, 'select, usage') then 'hidden'
          -- An unlogged one has no value on a standby.
          when c.relpersistence = 'u' and pg_is_in_recovery() then 'hidden'
          when s.seqrelid in (select l.relation from pg_catalog.pg_locks as l
            where l.locktype = 'relation' and l.database = own.oid and l.mode in ('ShareLock',
              'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) then 'locked'
        end as problem
      from pg_catalog.pg_sequence as s
      join pg_catalog.pg_class as c on c.oid = s.seqrelid
      join pg_catalog.pg_database as own on own.datname = current_database()
      left join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.seqrelid
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
      left join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      cross join lateral (select case format_type(a.atttypid, null)
        when 'smallint' then 32767 when 'integer' then 2147483647 else 9223372036854775807 end as most) as column_type
      where c.relpersistence <> 't'
      -- Asking each for its value takes a lock that is kept to the end of the statement: not without end.
      order by abs(case when s.seqincrement > 0 then least(s.seqmax, column_type.most) else s.seqmin end::numeric),
        s.seqrelid
      limit 500
    ) as p
  ) as q
) as r
