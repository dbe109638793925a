select
  s.dbid::bigint as dbid,
  s.queryid::bigint as queryid,
  -- Any of the texts; "C" compares bytes and so cannot stumble over a foreign encoding.
  min(s.query::text collate "C") as query
from {extension}.pg_stat_statements(true) as s
where s.queryid is not null and s.query is not null
group by s.dbid, s.queryid
