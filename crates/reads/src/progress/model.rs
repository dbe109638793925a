//! What travels of commands that run.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::queries::model::{Reason, Unmeasured};

/// The long commands that ran at a moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunningCommands {
    /// The one that began first before the others.
    pub(crate) data: Vec<RunningCommand>,
    /// When they were read; null when nothing was read near the moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// Why there are no values.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
}

/// What is counted of a command's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkUnit {
    /// Blocks of a table.
    Blocks,
    /// Rows.
    Rows,
    /// Bytes.
    Bytes,
    /// Indexes of a table.
    Indexes,
    /// Sessions that it has to wait for.
    Sessions,
    /// Extended statistics.
    Statistics,
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Stage {
    /// What is counted.
    pub(crate) unit: WorkUnit,
    /// So many are done.
    pub(crate) done: i64,
    /// Of so many; null where that is not known.
    pub(crate) total: Option<i64>,
    /// The share that is done, from 0 to 1; null without a total.
    pub(crate) share: Option<f64>,
}

/// A command that runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RunningCommand {
    /// The process that works.
    pub(crate) pid: i32,
    /// What it does: `VACUUM`, `ANALYZE`, `CREATE INDEX`, `REINDEX CONCURRENTLY`, `CLUSTER`, `COPY FROM`, `BASE BACKUP` and
    /// so on; null where the collector's role may not know.
    pub(crate) command: Option<String>,
    /// The view of PostgreSQL that told it.
    pub(crate) view: String,
    /// Where it is, in PostgreSQL's words; `COPY` has no phases.
    pub(crate) phase: Option<String>,
    /// How far this phase is; null where the phase tells nothing of it.
    pub(crate) stage: Option<Stage>,
    /// What kind of process it is, such as `autovacuum worker`.
    pub(crate) backend_type: Option<String>,
    /// The database; its oid where the name is not known, null for a base backup.
    pub(crate) database: Option<String>,
    /// The role; its oid where the name is not known, null where it has none.
    pub(crate) user: Option<String>,
    /// The table with its schema; its oid where the name is not known.
    pub(crate) relation: Option<String>,
    /// The index that it makes or orders the table by.
    pub(crate) index: Option<String>,
    /// When it began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) query_start: Option<Timestamp>,
    /// For how long it has run, in milliseconds.
    pub(crate) age_ms: Option<f64>,
    /// The session that it waits for now; null when it waits for none.
    pub(crate) waits_for_pid: Option<i64>,
    /// Rounds over the indexes that a vacuum has made: each after the first reads all of them once more.
    pub(crate) index_vacuum_count: Option<i64>,
}
