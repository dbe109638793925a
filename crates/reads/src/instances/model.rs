//! An instance as the pages see it: what it is, how it is, and what cannot be read of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::life::Retired;
use super::watched::Watched;
use crate::gaps::Gap;
use crate::page::Paging;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;
use crate::reader::InstanceId;

/// Which page of instances, and of which time.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FleetQuery {
    /// The page, from 1.
    #[param(minimum = 1)]
    pub(crate) page: Option<u32>,
    /// Rows on a page, 20 unless said otherwise.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) page_size: Option<u32>,
    /// Trends begin here; else an hour before the moment.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Trends end here; else at the moment.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// As it was then; else at the end, or now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
    /// Those that were retired by then, instead of those that were not.
    #[serde(default)]
    #[param(default = false)]
    pub(crate) retired: bool,
}

impl FleetQuery {
    /// The page that is meant.
    pub(crate) fn paging(&self) -> Paging {
        let usual = Paging::default();
        Paging { page: self.page.unwrap_or(usual.page), page_size: self.page_size.unwrap_or(usual.page_size) }
    }
}

/// Of which time.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct InstanceQuery {
    /// The trend begins here; else an hour before the moment.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// The trend ends here; else at the moment.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// As it was then; else at the end, or now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
}

/// How an instance is. Later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthState {
    /// Nothing is known to be wrong.
    Healthy,
    /// Something needs attention.
    Warning,
    /// Something is wrong now.
    Critical,
    /// Nothing arrives, so nobody knows.
    NoData,
}

/// A monitored PostgreSQL. What is not known is null.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Instance {
    /// Its number, the same for ever.
    #[schema(value_type = i32)]
    pub(crate) id: InstanceId,
    /// Its name: that in the collector's configuration, unless an administrator gave it another.
    pub(crate) name: String,
    /// The system identifier, which a primary and its standbys share.
    pub(crate) cluster: Option<String>,
    /// `primary` or `standby`.
    pub(crate) role: Option<String>,
    /// As in `17.4`.
    pub(crate) version: Option<String>,
    /// As in `170004`.
    pub(crate) version_num: Option<i32>,
    /// The host or socket directory that the collector connects to.
    pub(crate) host: Option<String>,
    /// The port that the collector connects to.
    pub(crate) port: Option<i32>,
    /// The timeline.
    pub(crate) timeline: Option<i64>,
    /// When the postmaster started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<Timestamp>,
    /// When something was heard of it last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_seen: Option<Timestamp>,
    /// Since the newest reading of PostgreSQL; what is read of its host does not count.
    pub(crate) data_age_ms: Option<f64>,
    /// Whether it is read; figures are null while it is not.
    pub(crate) watched: Watched,
    /// How it is.
    pub(crate) state: HealthState,
    /// Why, as sentences; the worst first.
    pub(crate) reasons: Vec<String>,
    /// Mean number of sessions that executed a statement, over the readings of the 5 minutes before the moment.
    pub(crate) load: Option<f64>,
    /// How many executed one over the range: at the newest reading of each step.
    pub(crate) load_trend: Trend,
    /// Processors of its host at the newest reading; null when the collector is on another machine.
    pub(crate) cpus: Option<i64>,
    /// Transactions per second in the newest interval, if that ended within the 5 minutes before the moment.
    pub(crate) tps: Option<f64>,
    /// Connections of clients, at the reading that tells of the moment.
    pub(crate) connections: Option<i64>,
    /// `max_connections`.
    pub(crate) connections_limit: Option<i32>,
    /// For how long something has been there that a standby has not replayed: 0 when all is replayed. Null on a
    /// primary, where the last reading is minutes old, and where nobody knows, with the reason.
    pub(crate) replay_lag_ms: Option<f64>,
    /// The bytes that are known to be written and that a standby has not replayed.
    pub(crate) replay_lag_bytes: Option<i64>,
    /// What the collector should be able to read and cannot.
    pub(crate) not_readable: Vec<NotReadable>,
    /// Why figures above are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Since when it is out of the fleet, and who took it out; null while it is in it.
    pub(crate) retired: Option<Retired>,
    /// Who reads it; null when nobody knows this collector.
    pub collector: Option<ReadingCollector>,
    /// The same by its id: what is known of collectors is no measurement, and is added by whoever keeps it.
    #[serde(skip)]
    pub collector_id: Uuid,
}

/// One value per step; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Trend {
    /// The steps.
    pub(crate) grid: Grid,
    /// Their values.
    pub(crate) values: Vec<Option<f64>>,
}

/// What the collector should be able to read and cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct NotReadable {
    /// The set.
    pub(crate) set: String,
    /// The column; absent where it is the whole set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<String>,
    /// The kind of reason.
    pub(crate) code: String,
    /// The reason, as a sentence.
    pub(crate) message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

/// The collector that reads an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReadingCollector {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The machine it runs on.
    pub hostname: String,
    /// Its version.
    pub version: Option<String>,
    /// `registered`, `active`, `offline`, `error`, or `deleted`.
    pub status: &'static str,
    /// When it was heard from last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// When it registered.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
}

/// A database's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DatabaseName {
    /// Its oid.
    pub(crate) datid: i64,
    /// Its name.
    pub(crate) name: String,
}

/// How a set can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SetCoverage {
    /// The set.
    pub(crate) set: String,
    /// `works`, `degraded`, `missing` or `error`.
    pub(crate) state: String,
    /// The kind of reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The reason, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    /// The time of its newest reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_reading: Option<Timestamp>,
    /// The version of PostgreSQL, or of the extension, from which it is known; absent where it is not read by SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since_version: Option<String>,
    /// Seconds between its last readings; before there are two, as the catalogue says.
    pub(crate) interval_seconds: Option<i64>,
}

/// An instance, its databases, and how its sets can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InstanceDetail {
    /// The instance.
    #[serde(flatten)]
    pub instance: Instance,
    /// Its databases, by name.
    pub(crate) databases: Vec<DatabaseName>,
    /// Its sets, by name.
    pub(crate) sets: Vec<SetCoverage>,
    /// Bytes of a block; 8192, as PostgreSQL usually is compiled, until its setting `block_size` was read.
    pub(crate) block_size: i64,
    /// How many sessions wait for a lock; null when no reading tells of the moment.
    pub(crate) blocked: Option<i64>,
    /// Parts of the range in which nothing was read of it.
    pub(crate) gaps: Vec<Gap>,
}

/// How each set and column can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Coverage {
    /// By set.
    pub(crate) data: Vec<SetAndColumns>,
    /// How many sets there are.
    pub(crate) count: usize,
    /// When the collector looked; null when it has not yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) checked_at: Option<Timestamp>,
}

/// How a set can be read, and which of its columns cannot.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SetAndColumns {
    /// The set.
    #[serde(flatten)]
    pub(crate) whole: SetCoverage,
    /// The columns that are not whole; all others work.
    pub(crate) columns: Vec<ColumnCoverage>,
}

/// How a column can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ColumnCoverage {
    /// The column.
    pub(crate) column: String,
    /// `degraded`, `missing` or `error`.
    pub(crate) state: String,
    /// The kind of reason.
    pub(crate) code: String,
    /// The reason, as a sentence.
    pub(crate) message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    /// The version from which it is known, where that is above the set's lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since_version: Option<String>,
    /// Since when it is so.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
}
