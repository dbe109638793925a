select
  i.indexrelid::bigint as indexrelid,
  i.indrelid::bigint as relid,
  n.nspname::text as schema,
  c.relname::text as relname,
  c.relkind::text as relkind,
  case when c.relispartition or c.relkind = 'I' then (
    with recursive above as (
      select c.oid as relid
      union all
      select h.inhparent from above join pg_catalog.pg_inherits as h on h.inhrelid = above.relid
    )
    select above.relid from above
    where not exists (select from pg_catalog.pg_inherits as h where h.inhrelid = above.relid)
  ) end::bigint as root_relid,
  a.amname::text as amname,
  i.indisunique::boolean as is_unique,
  i.indisprimary::boolean as is_primary,
  i.indisexclusion::boolean as is_exclusion,
  i.indisvalid::boolean as is_valid,
  i.indisready::boolean as is_ready,
  i.indislive::boolean as is_live,
  i.indisreplident::boolean as is_replica_identity,
  k.contype::text as contype,
  (r.conindid is not null)::boolean as is_referenced,
  (
    i.indpred is null and exists (
      select from pg_catalog.pg_constraint as own
      where own.contype = 'f' and own.conrelid = i.indrelid
        and (i.indkey::int2[])[0:pg_catalog.cardinality(own.conkey) - 1] @> own.conkey)
  )::boolean as supports_foreign_key,
  (
    select string_agg(
      coalesce(quote_ident(att.attname), '(expression)')
        || case when a.amname = 'btree' and i.indoption[key.place - 1] & 1 = 1 then ' desc' else '' end,
      ', ' order by key.place)
    from pg_catalog.unnest(i.indkey) with ordinality as key (attnum, place)
    left join pg_catalog.pg_attribute as att on att.attrelid = i.indrelid and att.attnum = key.attnum and key.attnum <> 0
    where key.place <= i.indnkeyatts
  )::text as columns,
  (
    select string_agg(quote_ident(inc.attname), ', ' order by more.place)
    from pg_catalog.unnest(i.indkey) with ordinality as more (attnum, place)
    join pg_catalog.pg_attribute as inc on inc.attrelid = i.indrelid and inc.attnum = more.attnum
    where more.place > i.indnkeyatts
  )::text as included,
  (i.indpred is not null)::boolean as has_predicate,
  hashtextextended(
    -- Where an expression stood in the statement is no part of what it means.
    regexp_replace(
      concat_ws('|', i.indrelid, c.relam, i.indnkeyatts, i.indkey, i.indclass, i.indcollation, i.indoption,
        coalesce(i.indexprs::text, ''), coalesce(i.indpred::text, '')),
      ':location -?[0-9]+', '', 'g'),
    0)::bigint as signature
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on c.oid = i.indexrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_am as a on a.oid = c.relam
left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
left join (
  select distinct f.conindid
  from pg_catalog.pg_constraint as f
  where f.contype = 'f'
) as r on r.conindid = i.indexrelid
-- Indexes of TOAST tables are counted with their tables.
where c.relpersistence <> 't' and not c.relisshared and n.nspname <> 'pg_toast'
