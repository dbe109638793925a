//! The readings of `pg_stat_replication` with what a row does not say itself: whether a standby is at the other end, and
//! for how long at least it has not replayed what was there.

/// As `metrics.pg_stat_replication`, with `kind`, `write_lag_us`, `flush_lag_us` and `lag_us`.
///
/// Only a standby replays. A base backup, a logical subscriber, and what stores WAL as `pg_receivewal` does have no
/// replay lag, whatever the columns say.
///
/// `replay_lag` stands still while replay is paused; what this instance's WAL went beyond at an earlier reading has been
/// waiting since then at least. After a promotion it grows though nothing waits, as do the others: who has the newest
/// position is not behind, whatever PostgreSQL says of the time.
pub(crate) const READINGS: &str = "(
    select s.*, case
            when s.state = 'backup' or s.application_name = 'pg_basebackup' then 'base_backup'
            when exists (select from metrics.pg_replication_slots l
                where l.instance_id = s.instance_id and l.active_pid = s.pid and l.slot_type = 'logical'
                    and l.time > s.time - interval '5 minutes' and l.time < s.time + interval '1 minute')
                then 'logical'
            when s.application_name = 'pg_receivewal' or s.replay_lsn is null and s.write_lsn is not null
                then 'receiver'
            else 'standby' end as kind,
        case when s.write_lsn >= s.current_lsn then 0 else s.write_lag end as write_lag_us,
        case when s.flush_lsn >= s.current_lsn then 0 else s.flush_lag end as flush_lag_us,
        case when s.replay_lsn >= s.current_lsn then 0
            else greatest(s.replay_lag, (extract(epoch from s.time - open.time) * 1e6)::int8) end as lag_us
    from metrics.pg_stat_replication s
    left join lateral (
        select w.time from metrics.wal w
        where w.instance_id = s.instance_id and w.time <= s.time and w.time > s.time - interval '1 hour'
            and w.position <= s.replay_lsn and (s.replay_lsn >= s.current_lsn) is not true
        order by w.time desc limit 1) done on true
    left join lateral (
        select w.time from metrics.wal w
        where w.instance_id = s.instance_id and w.time <= s.time
            and w.time > coalesce(done.time, s.time - interval '1 hour') and w.position > s.replay_lsn
            and (s.replay_lsn >= s.current_lsn) is not true
        order by w.time limit 1) open on true) r";

/// What [`READINGS`] calls a standby.
pub(crate) const STANDBY: &str = "standby";
