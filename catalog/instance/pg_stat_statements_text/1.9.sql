select
  s.dbid::bigint as dbid,
  s.queryid::bigint as queryid,
  s.query::text as query
from {extension}.pg_stat_statements(true) as s
-- One entry speaks for all users and nestings; chosen without moving texts through a hash or sort.
join (
  select k.dbid, k.queryid, min(k.userid::bigint * 2 + k.toplevel::integer) as entry
  from {extension}.pg_stat_statements(false) as k
  where k.queryid is not null
  group by k.dbid, k.queryid
) as chosen
  on chosen.dbid = s.dbid and chosen.queryid = s.queryid
  and chosen.entry = s.userid::bigint * 2 + s.toplevel::integer
where s.query is not null
