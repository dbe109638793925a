//! Every counter of `pg_stat_database`: its column, its name in the answer, and its unit there.

use serde::Serialize;
use utoipa::ToSchema;

/// A counter: its name in the answer, and its column.
pub(crate) struct Counter {
    pub(crate) name: &'static str,
    pub(crate) column: &'static str,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $column:literal / $divisor:literal,)+) => {
        /// All counters, in the order of [`Counters`].
        pub(crate) const COUNTERS: &[Counter] =
            &[$(Counter { name: stringify!($name), column: $column },)+];

        /// Increments over a range; null where not measured.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: Option<f64>,)+
        }

        impl Counters {
            /// From the sums of the columns, in the order of [`COUNTERS`].
            pub(crate) fn of(sums: impl IntoIterator<Item = Option<f64>>) -> Self {
                let mut sums = sums.into_iter();
                let mut next = |divisor: f64| sums.next().flatten().map(|sum| sum / divisor);
                Self { $($name: next($divisor),)+ }
            }
        }
    };
}

counters! {
    /// Transactions committed.
    xact_commit = "xact_commit" / 1.0,
    /// Transactions rolled back.
    xact_rollback = "xact_rollback" / 1.0,
    /// Blocks read from outside the buffer cache.
    blks_read = "blks_read" / 1.0,
    /// Blocks found in the buffer cache.
    blks_hit = "blks_hit" / 1.0,
    /// Live rows fetched by sequential scans and index entries returned by index scans.
    tup_returned = "tup_returned" / 1.0,
    /// Live rows fetched by index scans.
    tup_fetched = "tup_fetched" / 1.0,
    /// Rows inserted.
    tup_inserted = "tup_inserted" / 1.0,
    /// Rows updated.
    tup_updated = "tup_updated" / 1.0,
    /// Rows deleted.
    tup_deleted = "tup_deleted" / 1.0,
    /// Queries cancelled because of conflicts with recovery.
    conflicts = "conflicts" / 1.0,
    /// Temporary files made.
    temp_files = "temp_files" / 1.0,
    /// Bytes written to temporary files.
    temp_bytes = "temp_bytes" / 1.0,
    /// Deadlocks.
    deadlocks = "deadlocks" / 1.0,
    /// Checksum failures in data pages.
    checksum_failures = "checksum_failures" / 1.0,
    /// Time reading data files, in milliseconds.
    blk_read_time_ms = "blk_read_time" / 1000.0,
    /// Time writing data files, in milliseconds.
    blk_write_time_ms = "blk_write_time" / 1000.0,
    /// Time that sessions were open, in milliseconds.
    session_time_ms = "session_time" / 1000.0,
    /// Time executing statements, in milliseconds.
    active_time_ms = "active_time" / 1000.0,
    /// Time idle in transactions, in milliseconds.
    idle_in_transaction_time_ms = "idle_in_transaction_time" / 1000.0,
    /// Sessions begun.
    sessions = "sessions" / 1.0,
    /// Sessions lost with their clients.
    sessions_abandoned = "sessions_abandoned" / 1.0,
    /// Sessions ended by fatal errors.
    sessions_fatal = "sessions_fatal" / 1.0,
    /// Sessions ended by an operator.
    sessions_killed = "sessions_killed" / 1.0,
    /// Parallel workers planned.
    parallel_workers_to_launch = "parallel_workers_to_launch" / 1.0,
    /// Parallel workers started.
    parallel_workers_launched = "parallel_workers_launched" / 1.0,
}
