select
  r.srsubid::bigint as subid,
  count(*)::bigint as tables,
  count(*) filter (where r.srsubstate = 'i')::bigint as initializing,
  count(*) filter (where r.srsubstate = 'd')::bigint as copying,
  count(*) filter (where r.srsubstate in ('f', 's'))::bigint as catching_up,
  count(*) filter (where r.srsubstate = 'r')::bigint as ready
from pg_catalog.pg_subscription_rel as r
group by r.srsubid
