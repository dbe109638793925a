select
  m.roleid::bigint as roleid,
  m.member::bigint as member,
  bool_or(m.admin_option)::boolean as admin_option,
  bool_or(m.inherit_option)::boolean as inherit_option,
  bool_or(m.set_option)::boolean as set_option
from pg_catalog.pg_auth_members as m
group by m.roleid, m.member
