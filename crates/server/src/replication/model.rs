//! An instance's replication at one moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which moment.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// As it was then; else as it is now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
}

impl Moment {
    /// The moment that is meant. Nothing was read before 1970, and PostgreSQL's time begins later than ours.
    #[must_use]
    pub(crate) fn or(self, now: Timestamp) -> Timestamp {
        self.at.unwrap_or(now).max(Timestamp::UNIX_EPOCH)
    }
}

/// Who streams from an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Replication {
    /// `primary` or `standby`, as last heard.
    pub(crate) role: Option<String>,
    /// The timeline, as last heard.
    pub(crate) timeline: Option<i64>,
    /// How far the instance's WAL goes; null where nobody streams.
    pub(crate) current_lsn: Option<String>,
    /// Who streams; the furthest behind first.
    pub(crate) standbys: Vec<Standby>,
    /// When this was read; null when nothing was read before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
}

/// One that streams. Lags are null also while it is idle: with nothing behind it is caught up.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Standby {
    /// Its name.
    pub(crate) application_name: Option<String>,
    /// Its address; null over a Unix socket.
    pub(crate) client_addr: Option<String>,
    /// The process that sends to it.
    pub(crate) pid: Option<i32>,
    /// `startup`, `catchup`, `streaming`, `backup` or `stopping`.
    pub(crate) state: Option<String>,
    /// `async`, `potential`, `sync` or `quorum`.
    pub(crate) sync_state: Option<String>,
    /// Sent up to here.
    pub(crate) sent_lsn: Option<String>,
    /// Written there up to here.
    pub(crate) write_lsn: Option<String>,
    /// Made durable there up to here.
    pub(crate) flush_lsn: Option<String>,
    /// Replayed there up to here.
    pub(crate) replay_lsn: Option<String>,
    /// Until it was written there.
    pub(crate) write_lag_ms: Option<f64>,
    /// Until it was made durable there.
    pub(crate) flush_lag_ms: Option<f64>,
    /// Until it was replayed there.
    pub(crate) replay_lag_ms: Option<f64>,
    /// Bytes that are not sent.
    pub(crate) sent_behind_bytes: Option<i64>,
    /// Bytes that are not written there.
    pub(crate) write_behind_bytes: Option<i64>,
    /// Bytes that are not durable there.
    pub(crate) flush_behind_bytes: Option<i64>,
    /// Bytes that are not replayed there.
    pub(crate) replay_behind_bytes: Option<i64>,
    /// Whether all that was sent is replayed; null where the positions are not known.
    pub(crate) idle: Option<bool>,
    /// When it sent its last message, by its own clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_message_at: Option<Timestamp>,
}
