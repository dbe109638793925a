select
  f.funcid::bigint as funcid,
  f.calls::bigint as calls,
  case when f.total_time < 9e15 then f.total_time * 1000 end::bigint as total_time,
  case when f.self_time < 9e15 then f.self_time * 1000 end::bigint as self_time
from pg_catalog.pg_stat_user_functions as f
