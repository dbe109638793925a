select
  e.extname::text as extname,
  n.nspname::text as schema,
  e.extversion::text as extversion,
  e.extowner::bigint as ownerid
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
