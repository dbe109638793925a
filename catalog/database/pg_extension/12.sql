select
  e.extname::text as extname,
  n.nspname::text as schema,
  e.extversion::text as extversion,
  e.extowner::bigint as ownerid,
  a.default_version::text as default_version
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
left join pg_catalog.pg_available_extensions() as a on a.name = e.extname
