select
  'pg_xlog'::text as directory,
  w.files::bigint as files,
  w.size::bigint as size
from (
  select count(*) filter (where f.name ~ '^[0-9A-F]{24}$') as files, coalesce(sum(f.size), 0) as size
  from pg_catalog.pg_ls_waldir() as f
) w
