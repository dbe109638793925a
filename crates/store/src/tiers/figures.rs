//! Gauges that buckets have and raw rows do not: each follows from several values of one moment, or from another set,
//! and could not be had from buckets of those any more. Of each the greatest is kept.

/// One of a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// The set.
    pub(crate) set: &'static str,
    /// Its column in tiers.
    pub(crate) name: &'static str,
    /// What it is of a raw row `r`, a whole number.
    pub(crate) of_row: &'static str,
}

const REPLICATION: &str = "pg_stat_replication";

/// The bytes between the end of WAL and where a receiver is.
macro_rules! behind {
    ($at:literal) => {
        concat!("case when r.", $at, " is not null then greatest(r.current_lsn - r.", $at, ", 0) end")
    };
}

/// All of them.
pub(crate) const FIGURES: [Figure; 7] = [
    figure("sent_behind_max", behind!("sent_lsn")),
    figure("write_behind_max", behind!("write_lsn")),
    figure("flush_behind_max", behind!("flush_lsn")),
    figure("replay_behind_max", behind!("replay_lsn")),
    figure("write_wait_max", WRITE_WAIT),
    figure("flush_wait_max", FLUSH_WAIT),
    figure("replay_wait_max", REPLAY_WAIT),
];

const fn figure(name: &'static str, of_row: &'static str) -> Figure {
    Figure { set: REPLICATION, name, of_row }
}

/// For how many microseconds WAL waits to be written at the receiver, of a row `r` of `pg_stat_replication`. Who has the
/// newest position is not behind, whatever PostgreSQL says of the time: after a promotion it grows though nothing waits.
pub const WRITE_WAIT: &str = "case when r.write_lsn >= r.current_lsn then 0 else r.write_lag end";

/// As [`WRITE_WAIT`], to be flushed.
pub const FLUSH_WAIT: &str = "case when r.flush_lsn >= r.current_lsn then 0 else r.flush_lag end";

/// As [`WRITE_WAIT`], to be replayed. `replay_lag` stands still while replay is paused: what this instance's WAL went
/// beyond at an earlier reading of it has been waiting since then at least.
pub const REPLAY_WAIT: &str = "case when r.replay_lsn >= r.current_lsn then 0
    else greatest(r.replay_lag, (extract(epoch from r.time - (
        select w.time from metrics.wal w
        where w.instance_id = r.instance_id and w.time <= r.time and w.position > r.replay_lsn
            and w.time > coalesce((
                select d.time from metrics.wal d
                where d.instance_id = r.instance_id and d.time <= r.time and d.time > r.time - interval '1 hour'
                    and d.position <= r.replay_lsn
                order by d.time desc limit 1), r.time - interval '1 hour')
        order by w.time limit 1)) * 1e6)::int8) end";
