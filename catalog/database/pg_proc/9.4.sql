select
  p.oid::bigint as funcid,
  n.nspname::text as schema,
  p.proname::text as proname,
  (
    select string_agg(format_type(argument.type, null), ', ' order by argument.place)
    from pg_catalog.unnest(p.proargtypes) with ordinality as argument (type, place)
  )::text as arguments,
  case when p.proisagg then 'a' when p.proiswindow then 'w' else 'f' end::text as kind,
  l.lanname::text as language
from pg_catalog.pg_stat_user_functions as f
join pg_catalog.pg_proc as p on p.oid = f.funcid
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_language as l on l.oid = p.prolang
