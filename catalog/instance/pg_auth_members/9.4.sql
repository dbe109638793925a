select
  m.roleid::bigint as roleid,
  m.member::bigint as member,
  bool_or(m.admin_option)::boolean as admin_option
from pg_catalog.pg_auth_members as m
group by m.roleid, m.member
