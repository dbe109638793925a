//! What travels of I/O.

use serde::Serialize;
use utoipa::ToSchema;

use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// I/O over a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Io {
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// By kind of process, object and context, the most bytes first. Empty before PostgreSQL 16: `unmeasured` says so
    /// under `data`, and `buffers` is what there is instead.
    pub(crate) data: Vec<IoOf>,
    /// Rates by kind of process and object.
    pub(crate) series: Vec<IoSeries>,
    /// Who wrote buffers; known of every version.
    pub(crate) buffers: Buffers,
    /// The small caches for what is looked up by number, by name; from PostgreSQL 13 on.
    pub(crate) slru: Vec<Slru>,
    /// What of all this somebody should look into, the gravest first.
    pub(crate) findings: Vec<IoFinding>,
    /// Why figures are null or lists empty: by name of a figure, or `data`, `slru`, `buffers`.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range `data` was read: sums are of that time.
    pub(crate) covered: Covered,
    /// The same of `slru`.
    pub(crate) slru_covered: Covered,
    /// The same of what `buffers` has of backends.
    pub(crate) buffers_covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// What one kind of process did to one kind of object in one context. Sums over the range; null is what cannot happen
/// there or was not measured.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct IoOf {
    /// The kind of process.
    pub(crate) backend_type: String,
    /// `relation`, `temp relation`, or from PostgreSQL 18 on `wal`.
    pub(crate) object: String,
    /// `normal`; `vacuum`, `bulkread` and `bulkwrite`, which use a ring of few buffers; or `init`, of new WAL segments.
    pub(crate) context: String,
    #[serde(flatten)]
    pub(crate) figures: IoFigures,
    /// Blocks that were found in buffers, of all that were asked for, 0 to 1; null where none was.
    pub(crate) hit_ratio: Option<f64>,
    /// Milliseconds of one read, on average.
    pub(crate) mean_read_ms: Option<f64>,
    /// Milliseconds of one write, on average.
    pub(crate) mean_write_ms: Option<f64>,
    /// Milliseconds of one fsync, on average.
    pub(crate) mean_fsync_ms: Option<f64>,
}

/// A figure's name in the answer, its column, and what makes the column the answer's unit.
pub(crate) type Figure = (&'static str, &'static str, f64);

macro_rules! figures {
    ($list:ident $name:ident: $title:literal; $($(#[$doc:meta])* $field:ident = $column:literal / $divisor:literal,)+) => {
        /// Every counter, in the order of the fields.
        pub(crate) const $list: &[Figure] = &[$((stringify!($field), $column, $divisor),)+];

        #[doc = $title]
        #[derive(Clone, Debug, Default, Serialize, ToSchema)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: Option<f64>,)+
        }

        impl $name {
            /// From sums of the columns, in their order.
            pub(crate) fn of(sums: impl IntoIterator<Item = Option<f64>>) -> Self {
                let mut sums = sums.into_iter();
                Self { $($field: sums.next().flatten().map(|sum| sum / $divisor),)+ }
            }
        }
    };
}

figures! { IO IoFigures: "Sums over the range; null is what cannot happen there or was not measured.";
    /// Reads.
    reads = "reads" / 1.0,
    /// Bytes read.
    read_bytes = "read_bytes" / 1.0,
    /// Time reading, in milliseconds.
    read_time_ms = "read_time" / 1000.0,
    /// Writes.
    writes = "writes" / 1.0,
    /// Bytes written.
    write_bytes = "write_bytes" / 1.0,
    /// Time writing, in milliseconds.
    write_time_ms = "write_time" / 1000.0,
    /// Blocks that the kernel was asked to write to disk.
    writebacks = "writebacks" / 1.0,
    /// Time asking, in milliseconds.
    writeback_time_ms = "writeback_time" / 1000.0,
    /// Extensions of relations.
    extends = "extends" / 1.0,
    /// Bytes added.
    extend_bytes = "extend_bytes" / 1.0,
    /// Time extending, in milliseconds.
    extend_time_ms = "extend_time" / 1000.0,
    /// Blocks found in shared or local buffers.
    hits = "hits" / 1.0,
    /// Blocks that had to leave a buffer to make room.
    evictions = "evictions" / 1.0,
    /// Buffers of a ring that were used again.
    reuses = "reuses" / 1.0,
    /// Calls of fsync.
    fsyncs = "fsyncs" / 1.0,
    /// Time in them, in milliseconds.
    fsync_time_ms = "fsync_time" / 1000.0,
}

figures! { SLRU SlruFigures: "Sums over the range; null where not measured.";
    /// Pages begun.
    blks_zeroed = "blks_zeroed" / 1.0,
    /// Pages found in it.
    blks_hit = "blks_hit" / 1.0,
    /// Pages read from disk.
    blks_read = "blks_read" / 1.0,
    /// Pages written to disk.
    blks_written = "blks_written" / 1.0,
    /// Pages asked for whether they exist.
    blks_exists = "blks_exists" / 1.0,
    /// Flushes of all that is dirty.
    flushes = "flushes" / 1.0,
    /// Truncations.
    truncates = "truncates" / 1.0,
}

/// Rates of one kind of process at one kind of object, all contexts together; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct IoSeries {
    /// The kind of process.
    pub(crate) backend_type: String,
    /// `relation`, `temp relation` or `wal`.
    pub(crate) object: String,
    /// Bytes read per second.
    pub(crate) read_bytes: Vec<Option<f64>>,
    /// Bytes written per second.
    pub(crate) write_bytes: Vec<Option<f64>>,
    /// Bytes added to relations per second.
    pub(crate) extend_bytes: Vec<Option<f64>>,
    /// Milliseconds per second in reading.
    pub(crate) read_time_ms: Vec<Option<f64>>,
    /// Milliseconds per second in writing.
    pub(crate) write_time_ms: Vec<Option<f64>>,
    /// Blocks found in buffers per second.
    pub(crate) hits: Vec<Option<f64>>,
    /// Blocks that had to leave a buffer per second.
    pub(crate) evictions: Vec<Option<f64>>,
    /// Calls of fsync per second.
    pub(crate) fsyncs: Vec<Option<f64>>,
}

/// Who wrote buffers: blocks over the range, null where not measured.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Buffers {
    /// By checkpoints.
    pub(crate) checkpoint: Option<f64>,
    /// By the background writer.
    pub(crate) clean: Option<f64>,
    /// Written or added by all others: backends, autovacuum and so on.
    pub(crate) backend: Option<f64>,
    /// Times that one of those had to call fsync itself.
    pub(crate) backend_fsyncs: Option<f64>,
    /// Buffers allocated.
    pub(crate) alloc: Option<f64>,
}

/// One of the small caches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Slru {
    /// Its name, as the instance's version has it.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) figures: SlruFigures,
    /// Pages found in it, of all that were asked for, 0 to 1; null where none was.
    pub(crate) hit_ratio: Option<f64>,
}

/// Something that somebody should look into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct IoFinding {
    /// `backend_fsyncs`, `backend_writes`, `slow_reads` or `slru_reads`.
    pub(crate) code: String,
    /// What was seen, what it means and where to look.
    pub(crate) message: String,
}
