select
  e.relid::bigint as relid,
  e.relkind::text as relkind,
  e.pages::bigint as pages,
  e.expected_pages::bigint as expected_pages,
  (greatest(e.pages - e.expected_pages, 0) * e.page_bytes)::bigint as bloat_bytes,
  (greatest(e.pages - e.expected_pages, 0) / e.pages)::float8 as bloat
from (
  select t.relid, t.relkind, t.pages, t.page_bytes,
    -- The meta page of a B-tree; then rows that fit into a page, an item pointer of 4 bytes for each.
    case when t.relkind = 'i' then 1 else 0 end + ceil(t.reltuples / greatest(floor(
      (t.page_bytes - t.overhead) * t.fillfactor / 100 / (4 + ceil(t.header / 8) * 8 + ceil(t.width / 8) * 8)), 1)) as expected_pages
  from (
    select c.oid as relid, c.relkind, c.reltuples::float8 as reltuples, c.relpages::float8 as pages,
      current_setting('block_size')::float8 as page_bytes,
      -- The page's header; a B-tree has 16 bytes more at its end.
      case when c.relkind = 'i' then 40 else 24 end as overhead,
      coalesce((
        select substr(o.option, 12)::float8 from pg_catalog.unnest(c.reloptions) as o (option)
        where o.option like 'fillfactor=%'
      ), case when c.relkind = 'i' then 90 else 100 end) as fillfactor,
      -- Of a row, with the bitmap of what is null; of an index's entry.
      case when c.relkind = 'i' then 8 + case when max(s.null_frac) > 0 then 8 else 0 end
        else 23 + case when max(s.null_frac) > 0 then ceil(count(*) / 8.0) else 0 end end as header,
      sum((1 - s.null_frac) * s.avg_width) as width
    from pg_catalog.pg_class as c
    join (
      select h.oid as relid, h.relname, h.relnamespace, a.attname
      from pg_catalog.pg_class as h
      join pg_catalog.pg_attribute as a on a.attrelid = h.oid and a.attnum > 0 and not a.attisdropped
      where h.relkind in ('r', 'm')
      union all
      -- Of an expression the index itself has statistics.
      select x.indexrelid, case when key.attnum = 0 then index.relname else main.relname end, index.relnamespace,
        case when key.attnum = 0 then own.attname else att.attname end
      from pg_catalog.pg_index as x
      join pg_catalog.pg_class as index on index.oid = x.indexrelid
      join pg_catalog.pg_am as am on am.oid = index.relam and am.amname = 'btree'
      join pg_catalog.pg_class as main on main.oid = x.indrelid
      cross join lateral pg_catalog.unnest(x.indkey) with ordinality as key (attnum, place)
      left join pg_catalog.pg_attribute as att on att.attrelid = x.indrelid and att.attnum = key.attnum
      left join pg_catalog.pg_attribute as own on own.attrelid = x.indexrelid and own.attnum = key.place
    ) as part on part.relid = c.oid
    join pg_catalog.pg_namespace as n on n.oid = part.relnamespace
    left join pg_catalog.pg_stats as s on s.schemaname = n.nspname and s.tablename = part.relname
      and s.attname = part.attname and not s.inherited
    where c.relkind in ('r', 'm', 'i') and c.relpersistence <> 't' and c.relpages >= 128 and c.reltuples >= 0
      and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    group by c.oid, c.relkind, c.reltuples, c.relpages, c.reloptions
    having count(*) = count(s.attname)
  ) as t
) as e
