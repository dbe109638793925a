//! What a push is answered.

use std::collections::BTreeMap;

use catalog::DefinitionHash;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use judgement::span::moment;
use store::Short;

/// A batch is stored, or was before.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PushAnswer {
    /// Always `accepted`.
    pub status: &'static str,
    /// `<epoch>/<sequence>`; null for a batch without them.
    pub batch_id: Option<String>,
    /// Whether it was stored before; then nothing changed.
    pub duplicate: bool,
    /// Whether the server can tell a repetition: false without epoch and sequence.
    pub deduplicated: bool,
    /// The highest sequence number that is stored of the batch's epoch; null where nothing is.
    pub last_sequence: Option<i64>,
    /// The newest epoch that something is stored of: of the spool that the batch says it is from, else of the collector.
    /// A collector whose own is older, or that has not given `last_sequence` to anything, has an old state directory.
    pub last_epoch: Option<Uuid>,
    /// That spool; null where the batch does not say.
    pub lane: Option<Uuid>,
    /// Whether the batch that the collector named as the one acknowledged last is missing here: the store was put back
    /// to a copy, emptied, or the collector was registered anew. What is sent once, infos and texts, is then to be sent
    /// again.
    pub forgotten: bool,
    /// The process of the collector that delivered last, by the id of its clock; null where none told it. A collector
    /// that does not know it has a state directory that another one was started from.
    pub last_process: Option<Uuid>,
    /// How long ago that was.
    pub last_process_ago_ms: Option<f64>,
    /// Rows stored.
    pub rows_inserted: u64,
    /// Rows stored, by set.
    pub rows_by_set: BTreeMap<String, u64>,
    /// What was not stored, and why.
    pub rejected: Vec<Rejected>,
    /// When this answer was made, by the server's clock. A collector tells it with its next batch, so that a slow
    /// request is not taken for a slow clock.
    #[schema(value_type = String, format = DateTime)]
    pub answered_at: Timestamp,
    /// From the body's arrival to the commit.
    pub processing_time_ms: f64,
    /// The store's identity; when it changes, texts and infos are to be sent again.
    pub store_id: Uuid,
    /// The version of the configuration that the collector should have; null where there is none.
    pub next_config_version: Option<i64>,
    /// When to ask again.
    pub next_check_in_seconds: u32,
    /// What the collector said of itself.
    #[serde(skip)]
    pub said: Said,
}

/// What a collector says of itself in a batch; empty where it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its host.
    pub hostname: String,
    /// Its version.
    pub version: String,
}

/// Rows that were not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rejected {
    /// The set.
    pub set: String,
    /// The column, where one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Why, in a word.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
}

/// Why nothing of a batch was stored.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// 415.
    #[error("{reason}")]
    Unsupported {
        /// What is not supported.
        reason: String,
        /// What is.
        supported: Vec<String>,
    },
    /// 400.
    #[error("{reason}")]
    Malformed {
        /// What is wrong with the body.
        reason: String,
    },
    /// 413.
    #[error("{reason}")]
    TooLarge {
        /// What is too large.
        reason: String,
    },
    /// 403.
    #[error("the batch belongs to another collector than the token")]
    WrongCollector,
    /// 403.
    #[error(
        "another collector with this identity began at {}{}: only the newest is taken; register this one anew with \
         `pganalytics collector register --again` and a state directory of its own",
        moment(*.since),
        on_host(.hostname)
    )]
    IdentityInUse {
        /// When the one that is taken was heard of first.
        since: Timestamp,
        /// Its host; empty where it did not tell.
        hostname: String,
    },
    /// 422.
    #[error("{reason}")]
    Invalid {
        /// The kind of fault, in a word.
        code: &'static str,
        /// The fault.
        reason: String,
    },
    /// 409.
    #[error("the batch names definitions that this server does not know")]
    UnknownDefinition {
        /// Which.
        hashes: Vec<DefinitionHash>,
    },
    /// 503 with `Retry-After`: no room.
    #[error("there is no memory for more batches: METRICS_BUFFER_SIZE bytes of them are in flight")]
    Busy {
        /// Seconds.
        retry_after: u32,
    },
    /// 503 with `Retry-After`: the store is well, as far as this server knows, and something of the server is short.
    #[error("{}", .why.words())]
    Short {
        /// Seconds.
        retry_after: u32,
        /// What.
        why: Short,
    },
    /// 503 with `Retry-After`: the store failed, or its answer was lost.
    #[error("the store is not available: {why}")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
        /// What the failure says about the store.
        why: &'static str,
    },
}

/// Where the other one is, if it told.
fn on_host(hostname: &str) -> String {
    if hostname.is_empty() { String::new() } else { format!(" on host {hostname}") }
}
