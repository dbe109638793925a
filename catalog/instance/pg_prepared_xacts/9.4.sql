select
  p.transaction::text::bigint as xid,
  p.gid::text as gid,
  d.oid::bigint as datid,
  r.oid::bigint as userid,
  p.prepared::timestamptz as prepared,
  (extract(epoch from greatest(clock_timestamp() - p.prepared, interval '0')) * 1000000)::bigint as prepared_age,
  age(p.transaction)::bigint as xid_age
from pg_catalog.pg_prepared_xacts as p
left join pg_catalog.pg_database as d on d.datname = p.database
left join pg_catalog.pg_roles as r on r.rolname = p.owner
order by p.prepared
limit 200
