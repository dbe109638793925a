select
  k.relid::bigint as relid,
  k.attname::text as attname,
  k.data_type::text as data_type,
  k.highest_value::bigint as highest_value,
  k.end_value::bigint as end_value,
  (k.highest_value::float8 / k.end_value)::float8 as used
from (
  select b.relid, b.attname, b.data_type, b.end_value,
    -- Of a key whose values are all different there are bounds only; of one with few rows there may be common values.
    greatest(
      (select max(bound.value) from pg_catalog.unnest(b.bounds::bigint[]) as bound (value)),
      (select max(common.value) from pg_catalog.unnest(b.common::bigint[]) as common (value))
    ) as highest_value
  from (
    select c.oid as relid, a.attname, format_type(a.atttypid, null) as data_type,
      case when a.atttypid = 'pg_catalog.int2'::regtype then 32767 else 2147483647 end as end_value,
      s.histogram_bounds::text as bounds, s.most_common_vals::text as common
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and a.atttypid in ('pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype)
    join pg_catalog.pg_stats as s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
      and not s.inherited
    where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
      and exists (
        select from pg_catalog.pg_index as i
        where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
          and i.indnatts = 1 and i.indkey[0] = a.attnum)
    -- Values of other columns are no numbers: whatever is asked of them is asked behind this.
    offset 0
  ) as b
  offset 0
) as k
where k.highest_value >= 0.1 * k.end_value
order by k.highest_value::float8 / k.end_value desc
limit 500
