select
  r.oid::bigint as roleid,
  r.rolname::text as rolname,
  r.rolsuper::boolean as rolsuper,
  r.rolcanlogin::boolean as rolcanlogin,
  r.rolcreaterole::boolean as rolcreaterole,
  r.rolcreatedb::boolean as rolcreatedb,
  r.rolreplication::boolean as rolreplication,
  r.rolconnlimit::integer as rolconnlimit,
  r.rolvaliduntil::timestamptz as rolvaliduntil,
  (r.rolname = current_user)::boolean as collects
from pg_catalog.pg_roles as r
