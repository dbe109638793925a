select
  'pg_wal'::text as directory,
  w.files::bigint as files,
  w.size::bigint as size,
  a.ready_files::bigint as ready_files,
  a.oldest_ready::timestamptz as oldest_ready
from (
  select count(*) filter (where f.name ~ '^[0-9A-F]{24}$') as files, coalesce(sum(f.size), 0) as size
  from pg_catalog.pg_ls_waldir() as f
) w
cross join (
  select count(*) as ready_files, min(f.modification) as oldest_ready
  from pg_catalog.pg_ls_archive_statusdir() as f where f.name like '%.ready'
) a
