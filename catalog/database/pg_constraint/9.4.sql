select
  k.oid::bigint as conid,
  n.nspname::text as schema,
  k.conname::text as conname,
  k.contype::text as contype,
  k.conrelid::bigint as relid,
  nullif(k.conindid, 0)::bigint as indexrelid,
  nullif(k.confrelid, 0)::bigint as references_relid,
  (
    select string_agg(quote_ident(a.attname), ', ' order by key.place)
    from pg_catalog.unnest(k.conkey) with ordinality as key (attnum, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = key.attnum
  )::text as columns,
  (
    select string_agg(quote_ident(far.attname), ', ' order by far_key.place)
    from pg_catalog.unnest(k.confkey) with ordinality as far_key (attnum, place)
    join pg_catalog.pg_attribute as far on far.attrelid = k.confrelid and far.attnum = far_key.attnum
  )::text as references_columns,
  case when k.contype = 'f' then k.confupdtype end::text as on_update,
  case when k.contype = 'f' then k.confdeltype end::text as on_delete,
  k.condeferrable::boolean as is_deferrable,
  k.condeferred::boolean as is_deferred,
  k.convalidated::boolean as is_validated,
  k.conislocal::boolean as is_local
from pg_catalog.pg_constraint as k
join pg_catalog.pg_namespace as n on n.oid = k.connamespace
join pg_catalog.pg_class as c on c.oid = k.conrelid
where k.conrelid <> 0 and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
  -- From 18 on each column that is not null has one; pg_attribute tells of those.
  and k.contype <> 'n'
