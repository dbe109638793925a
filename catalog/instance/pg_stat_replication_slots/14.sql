select
  s.slot_name::text as slot_name,
  s.spill_txns::bigint as spill_txns,
  s.spill_count::bigint as spill_count,
  s.spill_bytes::bigint as spill_bytes,
  s.stream_txns::bigint as stream_txns,
  s.stream_count::bigint as stream_count,
  s.stream_bytes::bigint as stream_bytes,
  s.total_txns::bigint as total_txns,
  s.total_bytes::bigint as total_bytes,
  s.stats_reset::timestamptz as stats_reset
from pg_catalog.pg_stat_replication_slots as s
