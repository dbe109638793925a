select
  s.relid::bigint as relid,
  s.main_bytes::bigint as main_bytes,
  s.fsm_bytes::bigint as fsm_bytes,
  s.vm_bytes::bigint as vm_bytes,
  s.init_bytes::bigint as init_bytes,
  s.toast_bytes::bigint as toast_bytes,
  s.indexes_bytes::bigint as indexes_bytes
from (
  with recursive relations as (
    select c.oid, c.relkind, pg_relation_filepath(c.oid) as path,
      array['main', 'fsm']
        || case when c.relkind <> 'i' then array['vm'] else '{}' end
        || case when c.relpersistence = 'u' then array['init'] else '{}' end as forks
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'm', 't', 'i') and c.relpersistence <> 't' and not c.relisshared
  ),
  -- The size of a file takes no lock. A relation may vanish meanwhile: then there is no such file.
  files as (
    select relations.oid, forks.fork, forks.path, 0 as segment, file.size
    from relations
    cross join lateral (
      select fork.name as fork, relations.path || case when fork.name = 'main' then '' else '_' || fork.name end as path
      from pg_catalog.unnest(relations.forks) as fork (name)
    ) as forks
    cross join lateral pg_catalog.pg_stat_file(forks.path, true) as file
    where file.size is not null
    union all
    -- The next segment is there only when this one is full.
    select files.oid, files.fork, files.path, files.segment + 1, next.size
    from files
    cross join lateral pg_catalog.pg_stat_file(files.path || '.' || (files.segment + 1), true) as next
    where files.size >= (
        select g.setting::bigint from pg_catalog.pg_settings as g where g.name = 'segment_size')
        * current_setting('block_size')::bigint and next.size is not null
  ),
  sizes as (
    select files.oid,
      sum(files.size) filter (where files.fork = 'main') as main_bytes,
      sum(files.size) filter (where files.fork = 'fsm') as fsm_bytes,
      sum(files.size) filter (where files.fork = 'vm') as vm_bytes,
      sum(files.size) filter (where files.fork = 'init') as init_bytes,
      sum(files.size) as bytes
    from files
    group by files.oid
  ),
  indexes as (
    select x.indrelid, sum(sizes.bytes) as bytes
    from pg_catalog.pg_index as x
    join sizes on sizes.oid = x.indexrelid
    group by x.indrelid
  )
  select r.oid as relid, own.main_bytes, coalesce(own.fsm_bytes, 0) as fsm_bytes,
    case when r.relkind <> 'i' then coalesce(own.vm_bytes, 0) end as vm_bytes,
    own.init_bytes,
    toast.bytes + coalesce(toast_indexes.bytes, 0) as toast_bytes,
    case when r.relkind <> 'i' then coalesce(indexes.bytes, 0) end as indexes_bytes
  from pg_catalog.pg_class as r
  join sizes as own on own.oid = r.oid
  left join indexes on indexes.indrelid = r.oid
  left join sizes as toast on toast.oid = r.reltoastrelid
  left join indexes as toast_indexes on toast_indexes.indrelid = r.reltoastrelid
  join pg_catalog.pg_namespace as n on n.oid = r.relnamespace
  where own.main_bytes is not null
    and (r.relkind in ('r', 'm') or r.relkind = 'i' and n.nspname <> 'pg_toast')
) as s
