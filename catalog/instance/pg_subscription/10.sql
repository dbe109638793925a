select
  s.subdbid::bigint as datid,
  s.subname::text as subname,
  s.subowner::bigint as ownerid,
  s.subenabled::boolean as enabled,
  s.subslotname::text as slot_name,
  array_to_string(s.subpublications, ', ')::text as publications
from pg_catalog.pg_subscription as s
