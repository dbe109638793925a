//! Sessions that wait for locks, and those that block them.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::queries::model::{Reason, TextState, Unmeasured};
use crate::range::Grid;

/// Who blocks whom at a moment, and how many were blocked over time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Locks {
    /// When the tree was read; null when nothing was read near the moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// The reading before that one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) previous_at: Option<Timestamp>,
    /// The reading after that one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) next_at: Option<Timestamp>,
    /// The tree from its roots down, each session once: below the one it waits for directly.
    pub(crate) data: Vec<LockSession>,
    /// How many wait; null when nothing was read near the moment.
    pub(crate) blocked: Option<usize>,
    /// Whether only the 200 that have waited longest were read.
    pub(crate) cut: bool,
    /// How many block others without waiting themselves, or are the first of a circle.
    pub(crate) blockers: Option<usize>,
    /// The longest wait in milliseconds; null when nobody waits, or it is not known since when.
    pub(crate) oldest_wait_ms: Option<f64>,
    /// The steps of the series.
    pub(crate) grid: Grid,
    /// The most sessions that waited at once in each step; null is a step without a reading.
    pub(crate) blocked_series: Vec<Option<f64>>,
    /// The reading of that in each step; null where nobody waited.
    #[schema(value_type = Vec<Option<String>>)]
    pub(crate) blocked_at: Vec<Option<Timestamp>>,
    /// The reading of the range in which the most waited; null when nobody did.
    pub(crate) peak: Option<Peak>,
    /// Why columns are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// The worst moment of a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Peak {
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// How many waited.
    pub(crate) blocked: i64,
}

/// A session in the tree.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct LockSession {
    /// What tells it from the others: its process id, or `xid` and the transaction id of a prepared transaction.
    pub(crate) key: String,
    /// Its process id, the leader's of parallel workers; 0 stands for a prepared transaction, which has none.
    pub(crate) pid: i32,
    /// What it is, when it is a prepared transaction.
    pub(crate) prepared: Option<Prepared>,
    /// How many of its parallel workers wait: they are it.
    pub(crate) workers: i32,
    /// Its depth in the tree; roots are 1.
    pub(crate) level: usize,
    /// The process ids of all that it waits for, 0 for prepared transactions; empty for one that only blocks.
    pub(crate) blocked_by: Vec<i32>,
    /// The transaction ids of the prepared transactions that it waits for.
    pub(crate) blocked_by_prepared: Vec<i64>,
    /// How many wait for it, directly or behind others.
    pub(crate) blocks: usize,
    /// Whether it waits, in the end, for itself: PostgreSQL is about to find a deadlock.
    pub(crate) circular: bool,
    /// The database; its oid where the name is not known.
    pub(crate) database: Option<String>,
    /// The role; its oid where the name is not known.
    pub(crate) user: Option<String>,
    /// The name that its client gave itself.
    pub(crate) application_name: Option<String>,
    /// `active`, `idle in transaction` and so on.
    pub(crate) state: Option<String>,
    /// The mode of the lock that it waits for.
    pub(crate) mode: Option<String>,
    /// What kind of thing that lock is on.
    pub(crate) locktype: Option<String>,
    /// What it waits for, in words: the relation and its database, the row, whose transaction, the advisory key.
    pub(crate) object: Option<String>,
    /// Why something in these words has a number instead of a name.
    pub(crate) object_unnamed: Option<String>,
    /// The modes in which it holds what others wait for.
    pub(crate) holds: Option<String>,
    /// What it holds, when it blocks: first what others wait for, then the tables on which it holds more than a lock for
    /// reading, the strongest lock first.
    pub(crate) holds_on: Vec<HeldLock>,
    /// The relation that it waits for, with its schema; null where there is none or its name is not known. For one
    /// that only blocks, the relation that others wait for.
    pub(crate) relation: Option<String>,
    /// The relation's oid.
    pub(crate) relid: Option<i64>,
    /// Since when it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) waiting_since: Option<Timestamp>,
    /// For how long it has waited, in milliseconds.
    pub(crate) waiting_ms: Option<f64>,
    /// When its transaction began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) xact_start: Option<Timestamp>,
    /// The age of its transaction in milliseconds.
    pub(crate) xact_age_ms: Option<f64>,
    /// For how long one that only blocks has been in its state, in milliseconds.
    pub(crate) state_age_ms: Option<f64>,
    /// Its statement, or its last.
    pub(crate) query: Option<String>,
    /// What is known of the text; null where there is none.
    pub(crate) query_state: Option<TextState>,
}

/// A prepared transaction.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Prepared {
    /// Its transaction id.
    pub(crate) xid: i64,
    /// The name that it was given: what `COMMIT PREPARED` and `ROLLBACK PREPARED` take.
    pub(crate) gid: Option<String>,
    /// When it was prepared; when it began is not kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) prepared_at: Option<Timestamp>,
    /// For how long it has been prepared, in milliseconds.
    pub(crate) prepared_ms: Option<f64>,
}

/// A lock that a session holds.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct HeldLock {
    /// The mode; of what others wait for all its modes.
    pub(crate) mode: String,
    /// What it is on, in the words of `object`.
    pub(crate) object: String,
    /// The relation's oid, when it is on a whole one.
    pub(crate) relid: Option<i64>,
    /// Whether others wait for it.
    pub(crate) wanted: bool,
}
