select
  s.slot_name::text as slot_name,
  s.slot_type::text as slot_type,
  s.plugin::text as plugin,
  s.datoid::bigint as datid,
  s.temporary::boolean as temporary,
  s.active::boolean as active,
  s.active_pid::integer as active_pid,
  age(s.xmin)::bigint as xmin_age,
  age(s.catalog_xmin)::bigint as catalog_xmin_age,
  (s.restart_lsn - '0/0'::pg_lsn)::bigint as restart_lsn,
  (s.confirmed_flush_lsn - '0/0'::pg_lsn)::bigint as confirmed_flush_lsn,
  -- pg_current_wal_lsn() raises in recovery. A slot may have moved between the two looks.
  case when s.restart_lsn is not null then greatest((case when pg_is_in_recovery()
    then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) else pg_current_wal_lsn() end) - s.restart_lsn, 0) end::bigint as retained_bytes,
  s.wal_status::text as wal_status,
  s.safe_wal_size::bigint as safe_wal_size,
  s.two_phase::boolean as two_phase
from pg_catalog.pg_replication_slots as s
