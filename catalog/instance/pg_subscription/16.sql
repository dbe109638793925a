select
  s.subdbid::bigint as datid,
  s.subname::text as subname,
  s.oid::bigint as subid,
  s.subowner::bigint as ownerid,
  s.subenabled::boolean as enabled,
  s.subslotname::text as slot_name,
  array_to_string(s.subpublications, ', ')::text as publications,
  s.subsynccommit::text as synchronous_commit,
  case s.substream when 't' then 'on' when 'p' then 'parallel' else 'off' end::text as streaming,
  s.subbinary::boolean as binary_transfer,
  s.subtwophasestate::text as two_phase_state,
  s.subdisableonerr::boolean as disable_on_error,
  s.suborigin::text as origin,
  s.subrunasowner::boolean as run_as_owner
from pg_catalog.pg_subscription as s
