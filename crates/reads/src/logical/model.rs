//! What travels of logical replication.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::covered::Covered;
use crate::queries::model::{Reason, Unmeasured};
use crate::relations::model::Unreadable;

/// Logical replication at a moment and over a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogicalReplication {
    /// When workers were read; null when nothing was read shortly before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// The subscriptions, those that need somebody first.
    pub(crate) subscriptions: Vec<Subscription>,
    /// The publications, by database and name.
    pub(crate) publications: Vec<Publication>,
    /// What decoding took for each logical slot, the most spilled bytes first; from PostgreSQL 14 on.
    pub(crate) decoding: Vec<Decoding>,
    /// Why figures are null or lists are empty: by name, or `subscriptions`, `publications`, `decoding`, `errors`, `tables`.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// What could not be read, here or in some of the databases.
    pub(crate) not_readable: Vec<Unreadable>,
    /// How much of the range errors and conflicts were read.
    pub(crate) covered: Covered,
    /// The same of `decoding`.
    pub(crate) decoding_covered: Covered,
}

/// How a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubscriptionState {
    /// Errors were counted in the range.
    Failing,
    /// It is to run, and no worker does: it fails at its start, or none is left to be had.
    NoWorker,
    /// Somebody, or an error, switched it off.
    Disabled,
    /// Tables are not ready yet.
    Copying,
    /// It follows.
    Running,
    /// Its workers were not read.
    Unknown,
}

/// A subscription.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Subscription {
    /// Its database; its oid where the name is not known.
    pub(crate) database: String,
    /// Its name.
    pub(crate) name: String,
    /// How it is.
    pub(crate) state: SubscriptionState,
    /// The same as a sentence, and where to look.
    pub(crate) message: String,
    /// Whether it is to run.
    pub(crate) enabled: Option<bool>,
    /// Its slot on the publisher.
    pub(crate) slot_name: Option<String>,
    /// The publications that it takes, separated by commas.
    pub(crate) publications: Option<String>,
    /// `off`, `on` or `parallel`.
    pub(crate) streaming: Option<String>,
    /// Whether an error switches it off.
    pub(crate) disable_on_error: Option<bool>,
    /// Its apply worker.
    pub(crate) pid: Option<i32>,
    /// Workers that copy tables.
    pub(crate) copying_workers: Option<usize>,
    /// Workers that apply large transactions beside the apply worker.
    pub(crate) parallel_workers: Option<usize>,
    /// Received up to here.
    pub(crate) received_lsn: Option<String>,
    /// Told the publisher that everything up to here arrived.
    pub(crate) latest_end_lsn: Option<String>,
    /// Milliseconds from the last message to the reading.
    pub(crate) last_message_ms: Option<f64>,
    /// Its tables.
    pub(crate) tables: Option<i64>,
    /// Those that do not follow yet.
    pub(crate) tables_not_ready: Option<i64>,
    /// Errors in the range while changes were applied.
    pub(crate) apply_errors: Option<f64>,
    /// Errors in the range while tables were first copied.
    pub(crate) sync_errors: Option<f64>,
    /// Conflicts in the range, by kind; from PostgreSQL 18 on.
    pub(crate) conflicts: BTreeMap<&'static str, f64>,
}

/// A publication.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Publication {
    /// Its database; its oid where the name is not known.
    pub(crate) database: String,
    /// Its name.
    pub(crate) name: String,
    /// The role that owns it.
    pub(crate) owner: Option<String>,
    /// Whether it has all tables, also those that are made later.
    pub(crate) all_tables: Option<bool>,
    /// Tables that were named for it.
    pub(crate) tables: Option<i64>,
    /// Schemas that were named for it.
    pub(crate) schemas: Option<i64>,
    /// What is published: `insert`, `update`, `delete`, `truncate`.
    pub(crate) operations: Vec<&'static str>,
    /// Whether changes of partitions are published as changes of their root.
    pub(crate) via_root: Option<bool>,
}

/// What decoding took for a slot: sums over the range, null where not measured.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Decoding {
    /// The slot.
    pub(crate) slot_name: String,
    /// Transactions handed to the output plugin.
    pub(crate) total_txns: Option<f64>,
    /// Bytes handed to it.
    pub(crate) total_bytes: Option<f64>,
    /// Transactions spilled to disk, because `logical_decoding_work_mem` did not hold them.
    pub(crate) spill_txns: Option<f64>,
    /// Times that one was.
    pub(crate) spill_count: Option<f64>,
    /// Bytes spilled.
    pub(crate) spill_bytes: Option<f64>,
    /// Transactions sent before they ended.
    pub(crate) stream_txns: Option<f64>,
    /// Times that one was.
    pub(crate) stream_count: Option<f64>,
    /// Bytes sent before their transactions ended.
    pub(crate) stream_bytes: Option<f64>,
}
