//! An instance's replication at one moment.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;
use crate::reader::InstanceId;

/// Who streams from an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Replication {
    /// `primary` or `standby`, as last heard.
    pub(crate) role: Option<String>,
    /// The timeline, as last heard.
    pub(crate) timeline: Option<i64>,
    /// How far the instance's WAL goes; null where nobody streams.
    pub(crate) current_lsn: Option<String>,
    /// Standbys that stream from it; the furthest behind first.
    pub(crate) standbys: Vec<Standby>,
    /// Who else receives WAL from it and replays none.
    pub(crate) receivers: Vec<Receiver>,
    /// When this was read; null when nothing was read shortly before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// What the instance receives and replays; null on a primary.
    pub(crate) receiver: Option<WalReceiver>,
    /// The same over the range; null on a primary.
    pub(crate) receiver_series: Option<ReceiverSeries>,
    /// The monitored instances of the same cluster, this one included, by name.
    pub(crate) cluster: Vec<ClusterMember>,
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// A monitored instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InstanceLink {
    /// Its number.
    #[schema(value_type = i32)]
    pub(crate) id: InstanceId,
    /// Its name.
    pub(crate) name: String,
}

/// An instance of the cluster.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ClusterMember {
    /// Its number.
    #[schema(value_type = i32)]
    pub(crate) id: InstanceId,
    /// Its name.
    pub(crate) name: String,
    /// `primary` or `standby`, as last heard.
    pub(crate) role: Option<String>,
    /// The timeline, as last heard.
    pub(crate) timeline: Option<i64>,
    /// The instance that it streams from, where that is unambiguous.
    #[schema(value_type = Option<i32>)]
    pub(crate) upstream_id: Option<InstanceId>,
}

/// What a standby receives and replays.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WalReceiver {
    /// When this was read.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// Whether there is a receiver; without one the rest is what was replayed from an archive or before.
    pub(crate) connected: bool,
    /// `starting`, `streaming`, `waiting`, `restarting` or `stopping`.
    pub(crate) status: Option<String>,
    /// Whom it receives from.
    pub(crate) sender_host: Option<String>,
    /// The port there.
    pub(crate) sender_port: Option<i32>,
    /// The slot there.
    pub(crate) slot_name: Option<String>,
    /// The timeline received last.
    pub(crate) received_tli: Option<i32>,
    /// Written up to here.
    pub(crate) written_lsn: Option<String>,
    /// Made durable up to here.
    pub(crate) flushed_lsn: Option<String>,
    /// How far the sender's WAL went, as last reported.
    pub(crate) latest_end_lsn: Option<String>,
    /// When that was reported.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) latest_end_at: Option<Timestamp>,
    /// When the last message was sent, by the sender's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_message_sent_at: Option<Timestamp>,
    /// When it arrived.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_message_received_at: Option<Timestamp>,
    /// Received by streaming up to here.
    pub(crate) received_lsn: Option<String>,
    /// Replayed up to here.
    pub(crate) replayed_lsn: Option<String>,
    /// Received and not replayed.
    pub(crate) not_replayed_bytes: Option<i64>,
    /// When the last replayed transaction ended on the primary.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_replayed_at: Option<Timestamp>,
    /// The age of that transaction.
    pub(crate) last_replay_age_ms: Option<f64>,
    /// What is known to be written and is not replayed here: received, or told by the sender; without a receiver by
    /// the position of the watched primary.
    pub(crate) behind_bytes: Option<i64>,
    /// For how long something of that has been there; 0 when all is replayed.
    pub(crate) replay_lag_ms: Option<f64>,
    /// Whether replay is paused.
    pub(crate) replay_paused: Option<bool>,
    /// Whether all that is known to be written is replayed; null where that is not known.
    pub(crate) idle: Option<bool>,
    /// The monitored instance that it receives from, where that is unambiguous.
    pub(crate) upstream: Option<InstanceLink>,
    /// The monitored primary of its cluster, where there is one.
    pub(crate) primary: Option<InstanceLink>,
    /// Why its lag is null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
}

/// The most within each step; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ReceiverSeries {
    /// How far replay was behind.
    pub(crate) replay_lag_ms: Vec<Option<f64>>,
    /// Bytes that are known to be written and are not replayed.
    pub(crate) behind_bytes: Vec<Option<f64>>,
}

/// The most within each step; null is a step without a reading. Of an idle standby 0.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StandbySeries {
    /// Until it was written there.
    pub(crate) write_lag_ms: Vec<Option<f64>>,
    /// Until it was made durable there.
    pub(crate) flush_lag_ms: Vec<Option<f64>>,
    /// Until it was replayed there, as this instance knows it.
    pub(crate) replay_lag_ms: Vec<Option<f64>>,
    /// The standby's own replay lag; null where it is not a monitored instance.
    pub(crate) own_replay_lag_ms: Option<Vec<Option<f64>>>,
    /// Bytes that were not sent.
    pub(crate) sent_behind_bytes: Vec<Option<f64>>,
    /// Bytes that were not written there.
    pub(crate) write_behind_bytes: Vec<Option<f64>>,
    /// Bytes that were not durable there.
    pub(crate) flush_behind_bytes: Vec<Option<f64>>,
    /// Bytes that were not replayed there.
    pub(crate) replay_behind_bytes: Vec<Option<f64>>,
}

/// One that receives WAL and is no standby: it has no replay lag.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Receiver {
    /// `receiver` (it stores WAL, as `pg_receivewal` does), `base_backup` or `logical`.
    pub(crate) kind: String,
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
    /// Bytes that are not sent.
    pub(crate) sent_behind_bytes: Option<i64>,
    /// Bytes that are not written there.
    pub(crate) write_behind_bytes: Option<i64>,
    /// Bytes that are not durable there.
    pub(crate) flush_behind_bytes: Option<i64>,
    /// When it sent its last message, by its own clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_message_at: Option<Timestamp>,
    /// The slot that it uses.
    pub(crate) slot_name: Option<String>,
}

/// A standby that streams. Lags are null also while it is idle: with nothing behind it is caught up.
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
    /// Until it was replayed there, or for how long at least something has been waiting for that, where that is longer.
    pub(crate) replay_lag_ms: Option<f64>,
    /// Bytes that are not sent.
    pub(crate) sent_behind_bytes: Option<i64>,
    /// Bytes that are not written there.
    pub(crate) write_behind_bytes: Option<i64>,
    /// Bytes that are not durable there.
    pub(crate) flush_behind_bytes: Option<i64>,
    /// Bytes that are not replayed there.
    pub(crate) replay_behind_bytes: Option<i64>,
    /// Whether all that is written here is replayed there; null where the positions are not known.
    pub(crate) idle: Option<bool>,
    /// When it sent its last message, by its own clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_message_at: Option<Timestamp>,
    /// The slot that it uses.
    pub(crate) slot_name: Option<String>,
    /// The monitored instance that it is, where that is unambiguous.
    pub(crate) instance: Option<InstanceLink>,
    /// What that instance says itself.
    pub(crate) receiver: Option<WalReceiver>,
    /// Values on the grid.
    pub(crate) series: StandbySeries,
}
