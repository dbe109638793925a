select
  c.oid::bigint as relid,
  n.nspname::text as schema,
  c.relname::text as relname,
  c.relkind::text as relkind,
  c.relpersistence::text as relpersistence,
  pg_get_userbyid(c.relowner)::text as owner,
  a.amname::text as amname,
  ts.spcname::text as tablespace,
  c.relispartition::boolean as is_partition,
  case when c.relispartition or c.relkind = 'p' then pg_partition_root(c.oid) end::bigint as root_relid,
  nullif(c.reltoastrelid, 0)::bigint as toast_relid,
  array_to_string(c.reloptions, ',')::text as reloptions
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_am as a on a.oid = c.relam
left join pg_catalog.pg_tablespace as ts on ts.oid = c.reltablespace
where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and not c.relisshared
