//! The readings of `pg_stat_replication` with what a row does not say itself: whether a standby is at the other end, and
//! for how long at least it has not replayed what was there.

use std::sync::LazyLock;

use store::tiers::{FLUSH_WAIT, REPLAY_WAIT, WRITE_WAIT};

/// As `metrics.pg_stat_replication`, with `kind`, `write_lag_us`, `flush_lag_us` and `lag_us`.
///
/// Only a standby replays. A base backup, a logical subscriber, and what stores WAL as `pg_receivewal` does have no
/// replay lag, whatever the columns say.
pub(crate) static READINGS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "(
    select r.*, case
            when r.state = 'backup' or r.application_name = 'pg_basebackup' then 'base_backup'
            when exists (select from metrics.pg_replication_slots l
                where l.instance_id = r.instance_id and l.active_pid = r.pid and l.slot_type = 'logical'
                    and l.time > r.time - interval '5 minutes' and l.time < r.time + interval '1 minute')
                then 'logical'
            when r.application_name = 'pg_receivewal' or r.replay_lsn is null and r.write_lsn is not null
                then 'receiver'
            else 'standby' end as kind,
        {WRITE_WAIT} as write_lag_us, {FLUSH_WAIT} as flush_lag_us, {REPLAY_WAIT} as lag_us
    from metrics.pg_stat_replication r) r"
    )
});

/// What [`READINGS`] calls a standby.
pub(crate) const STANDBY: &str = "standby";
