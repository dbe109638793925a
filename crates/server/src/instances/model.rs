//! An instance as the pages see it: what it is, how it is, and what cannot be read of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Steps of equal length after one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Grid {
    /// Where the first step begins; what ends at this moment is not in it.
    #[schema(value_type = String, format = DateTime)]
    pub start: Timestamp,
    /// The length of a step.
    pub step_ms: i64,
    /// How many steps there are.
    pub points: usize,
}

/// Why a column has no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reason {
    /// The kind of reason.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Column to the reason why it has no value.
pub type Unmeasured = BTreeMap<String, Reason>;

/// How an instance is. Later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
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
    pub id: i32,
    /// Its name in the collector's configuration.
    pub name: String,
    /// The system identifier, which a primary and its standbys share.
    pub cluster: Option<String>,
    /// `primary` or `standby`.
    pub role: Option<String>,
    /// As in `17.4`.
    pub version: Option<String>,
    /// As in `170004`.
    pub version_num: Option<i32>,
    /// The host or socket directory that the collector connects to.
    pub host: Option<String>,
    /// The port that the collector connects to.
    pub port: Option<i32>,
    /// The timeline.
    pub timeline: Option<i64>,
    /// When the postmaster started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When something was heard of it last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// Since the newest reading.
    pub data_age_ms: Option<f64>,
    /// How it is.
    pub state: HealthState,
    /// Why, as sentences; the worst first.
    pub reasons: Vec<String>,
    /// Mean number of sessions that execute a statement, over the last 5 minutes.
    pub load: Option<f64>,
    /// The same over the last hour.
    pub load_trend: Trend,
    /// Transactions per second, over the last 5 minutes.
    pub tps: Option<f64>,
    /// Backends connected to a database, at the newest reading.
    pub connections: Option<i64>,
    /// `max_connections`.
    pub connections_limit: Option<i32>,
    /// The worst replay lag of those that stream from here; null also when they are idle.
    pub replay_lag_ms: Option<f64>,
    /// The most bytes that one of those has not replayed.
    pub replay_lag_bytes: Option<i64>,
    /// What the collector should be able to read and cannot.
    pub not_readable: Vec<NotReadable>,
    /// Why figures above are null.
    pub unmeasured: Unmeasured,
    /// Who reads it; null when nobody knows this collector.
    pub collector: Option<ReadingCollector>,
}

/// One value per step; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Trend {
    /// The steps.
    pub grid: Grid,
    /// Their values.
    pub values: Vec<Option<f64>>,
}

/// What the collector should be able to read and cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotReadable {
    /// The set.
    pub set: String,
    /// The column; absent where it is the whole set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The kind of reason.
    pub code: String,
    /// The reason, as a sentence.
    pub message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
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
pub struct DatabaseName {
    /// Its oid.
    pub datid: i64,
    /// Its name.
    pub name: String,
}

/// How a set can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SetCoverage {
    /// The set.
    pub set: String,
    /// `works`, `degraded`, `missing` or `error`.
    pub state: String,
    /// The kind of reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reason, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The time of its newest reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_reading: Option<Timestamp>,
    /// Seconds between its last readings; before there are two, as the catalogue says.
    pub interval_seconds: Option<i64>,
}

/// An instance, its databases, and how its sets can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InstanceDetail {
    /// The instance.
    #[serde(flatten)]
    pub instance: Instance,
    /// Its databases, by name.
    pub databases: Vec<DatabaseName>,
    /// Its sets, by name.
    pub sets: Vec<SetCoverage>,
}

/// How each set and column can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Coverage {
    /// By set.
    pub data: Vec<SetAndColumns>,
    /// How many sets there are.
    pub count: usize,
    /// When the collector looked; null when it has not yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<Timestamp>,
}

/// How a set can be read, and which of its columns cannot.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SetAndColumns {
    /// The set.
    #[serde(flatten)]
    pub whole: SetCoverage,
    /// The columns that are not whole; all others work.
    pub columns: Vec<ColumnCoverage>,
}

/// How a column can be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ColumnCoverage {
    /// The column.
    pub column: String,
    /// `degraded`, `missing` or `error`.
    pub state: String,
    /// The kind of reason.
    pub code: String,
    /// The reason, as a sentence.
    pub message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Since when it is so.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}
