select
  s.seqrelid::bigint as seqrelid,
  n.nspname::text as schema,
  c.relname::text as relname,
  format_type(s.seqtypid, null)::text as data_type,
  s.seqstart::bigint as start_value,
  s.seqmin::bigint as min_value,
  s.seqmax::bigint as max_value,
  s.seqincrement::bigint as increment,
  s.seqcycle::boolean as cycles,
  s.seqcache::bigint as cache_size,
  d.refobjid::bigint as owner_relid,
  a.attname::text as owner_column,
  format_type(a.atttypid, null)::text as owner_column_type
from pg_catalog.pg_sequence as s
join pg_catalog.pg_class as c on c.oid = s.seqrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.seqrelid
  and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
left join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where c.relpersistence <> 't'
