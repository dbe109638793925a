//! WAL, checkpoints and archiving of an instance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// WAL over a range and at a moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Wal {
    /// When the position was read; null when nothing was read shortly before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// Written up to here on a primary, replayed up to here on a standby.
    pub(crate) position: Option<String>,
    /// Whether the instance was in recovery then.
    pub(crate) in_recovery: Option<bool>,
    /// What lies in the directory.
    pub(crate) directory: Directory,
    /// What the archiver did last.
    pub(crate) archiver: Archiver,
    /// Sums over the range, null where not measured.
    pub(crate) totals: WalTotals,
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// Values on the grid.
    pub(crate) series: WalSeries,
    /// Why figures are null, by their names in `totals`, `series` and `directory`.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range the set of checkpoints was read.
    pub(crate) covered: Covered,
    /// How much of it each set was read that figures come from: sums are of that time.
    #[schema(value_type = BTreeMap<String, Covered>)]
    pub(crate) covered_by_set: BTreeMap<&'static str, Covered>,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// The directory `pg_wal` at a moment.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Directory {
    /// When it was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// Bytes of its files.
    pub(crate) size_bytes: Option<i64>,
    /// WAL segments.
    pub(crate) files: Option<i64>,
    /// Segments that wait to be archived.
    pub(crate) ready_files: Option<i64>,
    /// Since when the oldest of them waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) oldest_ready: Option<Timestamp>,
}

/// The archiver at a moment.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Archiver {
    /// When this was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// The last file that was archived.
    pub(crate) last_archived_wal: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_archived_at: Option<Timestamp>,
    /// The last file that could not be archived.
    pub(crate) last_failed_wal: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_failed_at: Option<Timestamp>,
    /// Whether the last attempt failed; null where there was none.
    pub(crate) failing: Option<bool>,
}

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident = $set:literal . $column:literal / $divisor:literal,)+) => {
        /// Every counter of the answer: its name, its set, its column, and what makes the column the answer's unit.
        pub(crate) const FIGURES: &[(&str, &str, &str, f64)] = &[$((stringify!($name), $set, $column, $divisor),)+];

        /// Sums of increments over the range; null where not measured.
        #[derive(Clone, Debug, Default, Serialize, ToSchema)]
        pub(crate) struct WalTotals {
            $($(#[$doc])* pub(crate) $name: Option<f64>,)+
        }

        impl WalTotals {
            /// From sums in the order of [`FIGURES`].
            pub(crate) fn of(sums: impl IntoIterator<Item = Option<f64>>) -> Self {
                let mut sums = sums.into_iter();
                Self { $($name: sums.next().flatten(),)+ }
            }
        }

        /// Per second where the total is a sum; null is a step without a reading.
        #[derive(Clone, Debug, Serialize, ToSchema)]
        pub(crate) struct WalSeries {
            $($(#[$doc])* pub(crate) $name: Vec<Option<f64>>,)+
            /// The most bytes in the directory within the step.
            pub(crate) directory_bytes: Vec<Option<f64>>,
            /// The most segments that waited to be archived within the step.
            pub(crate) ready_files: Vec<Option<f64>>,
        }

        impl WalSeries {
            /// From rates in the order of [`FIGURES`], and the two gauges.
            pub(crate) fn of(
                rates: impl IntoIterator<Item = Vec<Option<f64>>>,
                [directory_bytes, ready_files]: [Vec<Option<f64>>; 2],
            ) -> Self {
                let mut rates = rates.into_iter();
                Self { $($name: rates.next().unwrap_or_default(),)+ directory_bytes, ready_files }
            }
        }
    };
}

figures! {
    /// Bytes by which the position went on: written on a primary, replayed on a standby.
    position_bytes = "wal"."position" / 1.0,
    /// Bytes generated.
    wal_bytes = "pg_stat_wal"."wal_bytes" / 1.0,
    /// Records generated.
    wal_records = "pg_stat_wal"."wal_records" / 1.0,
    /// Full page images generated.
    wal_fpi = "pg_stat_wal"."wal_fpi" / 1.0,
    /// Times that WAL was written because the buffers were full.
    wal_buffers_full = "pg_stat_wal"."wal_buffers_full" / 1.0,
    /// Writes of WAL.
    wal_writes = "wal_io"."writes" / 1.0,
    /// Syncs of WAL.
    wal_syncs = "wal_io"."syncs" / 1.0,
    /// Time writing WAL, in milliseconds.
    wal_write_time_ms = "wal_io"."write_time" / 1000.0,
    /// Time syncing WAL, in milliseconds.
    wal_sync_time_ms = "wal_io"."sync_time" / 1000.0,
    /// Checkpoints begun because of their timeout.
    checkpoints_timed = "pg_stat_checkpointer"."num_timed" / 1.0,
    /// Checkpoints that were asked for.
    checkpoints_requested = "pg_stat_checkpointer"."num_requested" / 1.0,
    /// Restartpoints that were carried out.
    restartpoints_done = "pg_stat_checkpointer"."restartpoints_done" / 1.0,
    /// Time of checkpoints in writing, in milliseconds.
    checkpoint_write_time_ms = "pg_stat_checkpointer"."write_time" / 1000.0,
    /// Time of checkpoints in syncing, in milliseconds.
    checkpoint_sync_time_ms = "pg_stat_checkpointer"."sync_time" / 1000.0,
    /// Buffers written by checkpoints.
    buffers_checkpoint = "pg_stat_checkpointer"."buffers_written" / 1.0,
    /// Buffers written by the background writer.
    buffers_clean = "pg_stat_bgwriter"."buffers_clean" / 1.0,
    /// Rounds that the background writer ended early.
    maxwritten_clean = "pg_stat_bgwriter"."maxwritten_clean" / 1.0,
    /// Buffers allocated.
    buffers_alloc = "pg_stat_bgwriter"."buffers_alloc" / 1.0,
    /// Blocks written or added by backends themselves.
    buffers_backend = "backend_writes"."writes" / 1.0,
    /// Times that one of them had to call fsync itself.
    backend_fsyncs = "backend_writes"."fsyncs" / 1.0,
    /// Files archived.
    archived = "pg_stat_archiver"."archived_count" / 1.0,
    /// Failed attempts to archive.
    archive_failures = "pg_stat_archiver"."failed_count" / 1.0,
}
