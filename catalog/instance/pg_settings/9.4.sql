select
  s.name::text as name,
  -- What this session, its role or its database set says nothing about the instance.
  case when of_server.yes then s.setting end::text as setting,
  s.unit::text as unit,
  s.boot_val::text as boot_val,
  case when of_server.yes then s.source end::text as source,
  case when of_server.yes then s.sourcefile end::text as sourcefile,
  s.category::text as category,
  s.short_desc::text as short_desc,
  s.context::text as context,
  s.vartype::text as vartype
from pg_catalog.pg_settings as s
cross join lateral (
  select s.source not in ('client', 'session', 'user', 'database', 'database user', 'interactive', 'test') as yes
) as of_server
-- These describe a session or a database and no instance, whatever their source.
where s.name not in (
  'client_encoding', 'is_superuser', 'lc_collate', 'lc_ctype', 'role', 'seed', 'server_encoding',
  'session_authorization', 'transaction_deferrable', 'transaction_isolation', 'transaction_read_only'
)
