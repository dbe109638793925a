select
  c.datid::bigint as datid,
  c.confl_tablespace::bigint as confl_tablespace,
  c.confl_lock::bigint as confl_lock,
  c.confl_snapshot::bigint as confl_snapshot,
  c.confl_bufferpin::bigint as confl_bufferpin,
  c.confl_deadlock::bigint as confl_deadlock
from pg_catalog.pg_stat_database_conflicts as c
