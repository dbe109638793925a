//! A database's figures over a time range.

use serde::Serialize;
use utoipa::ToSchema;

use super::counters::Counters;
use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// The databases of an instance over a time range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Databases {
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// By name; the shared objects are the database 0.
    pub(crate) data: Vec<Database>,
    /// All of them together, shared objects included.
    pub(crate) total: Throughput,
    /// Why columns are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// What a database did: increments are sums over the range, null where not measured.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Database {
    /// Its oid; 0 stands for the shared objects.
    pub(crate) datid: i64,
    /// Its name; its oid where the name is not known.
    pub(crate) name: String,
    /// Connected backends at the moment; null when it was not in that reading.
    pub(crate) numbackends: Option<i32>,
    #[serde(flatten)]
    pub(crate) counters: Counters,
    /// The same per second of the time that was read: never of the range.
    pub(crate) rates: Counters,
    /// The time that was read of it in the range.
    pub(crate) covered_ms: f64,
    /// Values on the grid; null is a step without a reading.
    pub(crate) series: DatabaseSeries,
}

/// Values on the grid; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseSeries {
    /// Transactions per second.
    pub(crate) tps: Vec<Option<f64>>,
    /// Mean number of sessions that execute a statement.
    pub(crate) active: Vec<Option<f64>>,
}

/// What all databases did together. Values on the grid; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Throughput {
    /// Transactions committed per second.
    pub(crate) commits: Vec<Option<f64>>,
    /// Transactions rolled back per second.
    pub(crate) rollbacks: Vec<Option<f64>>,
    /// Blocks found in PostgreSQL's cache, of all that were asked for, 0 to 1; null also where none was.
    pub(crate) hit_ratio: Vec<Option<f64>>,
    /// Bytes written to temporary files per second.
    pub(crate) temp_bytes: Vec<Option<f64>>,
}
