//! What the collector takes.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::covered::Covered;
use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// What collecting took over a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CollectorCost {
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// Processor time of the process over time that passed: 1 is one core. All its instances together.
    pub(crate) cpu_share: Option<f64>,
    /// Time of statements on this instance over time that passed, as the collector sees it.
    pub(crate) statement_share: Option<f64>,
    /// That time.
    pub(crate) statement_time_ms: Option<f64>,
    /// The time over which it was measured.
    pub(crate) measured_ms: f64,
    /// `cpu_share` on the grid.
    pub(crate) cpu_share_series: Vec<Option<f64>>,
    /// `statement_share` on the grid.
    pub(crate) statement_share_series: Vec<Option<f64>>,
    /// The newest reading of the process at or before the moment; null when there is none within 10 minutes.
    pub(crate) process: Option<CollectorProcess>,
    /// What each set took, the longest statement time first.
    pub(crate) sets: Vec<SetCost>,
    /// Why figures are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// How much of the range was read: figures are of that time.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// The collector's process at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CollectorProcess {
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// Memory that it holds.
    pub(crate) resident_bytes: Option<i64>,
    /// The most that it ever held.
    pub(crate) peak_resident_bytes: Option<i64>,
    /// Instances that it watches.
    pub(crate) instances: Option<i64>,
    /// Cycles that wait for the server.
    pub(crate) spool_records: Option<i64>,
    /// Their bytes.
    pub(crate) spool_bytes: Option<i64>,
    /// The most that the spool may hold.
    pub(crate) spool_max_bytes: Option<i64>,
}

/// What one set took over the range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SetCost {
    /// The set; `identity` is what each cycle asks first.
    pub(crate) set: String,
    /// Readings, failed ones included.
    pub(crate) readings: i64,
    /// Readings that failed.
    pub(crate) errors: i64,
    /// Rows.
    pub(crate) rows: i64,
    /// Bytes of the batches before compression.
    pub(crate) bytes: i64,
    /// Cycles that were skipped.
    pub(crate) late_cycles: i64,
    /// Time of its statements; null where none of its own is timed.
    pub(crate) statement_time_ms: Option<f64>,
    /// That time over time that passed.
    pub(crate) statement_share: Option<f64>,
}
