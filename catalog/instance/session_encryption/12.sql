select
  coalesce(a.datid, 0)::bigint as datid,
  coalesce(a.usesysid, 0)::bigint as userid,
  (case when a.client_port = -1 then 'local' when s.ssl then 'tls' when g.encrypted then 'gss' else 'plain' end)::text as transport,
  coalesce(s.version, '')::text as tls_version,
  coalesce(s.cipher, '')::text as cipher,
  count(*)::bigint as sessions
from pg_catalog.pg_stat_activity as a
left join pg_catalog.pg_stat_ssl as s on s.pid = a.pid
left join pg_catalog.pg_stat_gssapi as g on g.pid = a.pid
-- Processes without a client have no port.
where a.client_port is not null
group by 1, 2, 3, 4, 5
