//! How the server is.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How the server is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All works.
    Healthy,
    /// It answers, but something is short.
    Degraded,
    /// It cannot work.
    Unhealthy,
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct Health {
    /// In a word.
    pub status: State,
    /// The server's version.
    pub version: &'static str,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// How long this process has been serving.
    pub uptime_seconds: i64,
    /// Why it is not healthy, a sentence each; empty when it is.
    pub reasons: Vec<String>,
    /// Whether the store answers.
    pub database_ok: bool,
    /// Whether TimescaleDB is there.
    pub timescale: Timescale,
    /// How much is waiting to be stored.
    pub ingest: IngestQueue,
}

/// Whether TimescaleDB is there.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Timescale {
    /// Whether it is installed in the store.
    pub available: bool,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Timescale {
    /// By its version, where it is there.
    pub(super) fn of(version: Option<String>) -> Self {
        Self { available: version.is_some(), version }
    }
}

/// How much is waiting to be stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct IngestQueue {
    /// Bytes of batches in flight.
    pub queue_bytes: u64,
    /// Bytes at most; past it collectors are asked to wait.
    pub queue_capacity_bytes: u64,
}

/// Which version this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// The version.
    pub version: &'static str,
    /// The commit it was built from; null where the build could not know.
    pub commit: Option<&'static str>,
    /// The version of this API.
    pub api_version: &'static str,
}
