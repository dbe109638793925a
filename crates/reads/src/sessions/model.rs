//! Sessions at a moment and over a time range.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::holders::model::Holder;
use crate::queries::model::{Reason, TextState, Unmeasured};
use crate::range::Grid;

/// Which sessions, and when.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ActivityQuery {
    /// As it was then; else as it is now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
    /// Only of this database: a name or an oid.
    pub(crate) database: Option<String>,
    /// Only of this role: a name or an oid.
    pub(crate) user: Option<String>,
    /// At most so many, 100 unless said otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

/// The sessions that are not idle, at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActiveSessions {
    /// The oldest transaction first.
    pub(crate) data: Vec<ActiveSession>,
    /// How many are listed.
    pub(crate) count: usize,
    /// How many there are.
    pub(crate) total: usize,
    /// When they were read; null when nothing was read near the moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// Why columns are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
}

/// A session that is not idle.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ActiveSession {
    /// Its process id.
    pub(crate) pid: i32,
    /// The process id of the leader, for a parallel worker.
    pub(crate) leader_pid: Option<i32>,
    /// What kind of process.
    pub(crate) backend_type: String,
    /// The database; its oid where the name is not known, null where there is none.
    pub(crate) database: Option<String>,
    /// The role; its oid where the name is not known, null where there is none.
    pub(crate) user: Option<String>,
    /// The name that its client gave itself.
    pub(crate) application_name: String,
    /// The client's address; null over a Unix socket.
    pub(crate) client_addr: Option<String>,
    /// `active`, `idle in transaction` and so on; null for processes that run no statements.
    pub(crate) state: Option<String>,
    /// What it waits for, by class: `CPU` when it is active and waits for nothing; null when it is not active.
    pub(crate) wait_class: Option<String>,
    /// The wait event; null when it waits for nothing.
    pub(crate) wait_event: Option<String>,
    /// When it was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) backend_start: Option<Timestamp>,
    /// When its transaction began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) xact_start: Option<Timestamp>,
    /// When its statement began, or the last one where none runs.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) query_start: Option<Timestamp>,
    /// When its state last changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) state_change: Option<Timestamp>,
    /// The age of its transaction in milliseconds.
    pub(crate) xact_age_ms: Option<f64>,
    /// The age of its statement in milliseconds; null where none runs.
    pub(crate) query_age_ms: Option<f64>,
    /// For how long it has been in its state, in milliseconds.
    pub(crate) state_age_ms: Option<f64>,
    /// How many transactions ago it got its transaction id.
    pub(crate) xid_age: Option<i64>,
    /// How many transactions ago its snapshot was taken.
    pub(crate) xmin_age: Option<i64>,
    /// The statement's queryid, as text: it can pass 2^53.
    pub(crate) queryid: Option<String>,
    /// The statement, or the last one where none runs.
    pub(crate) query: Option<String>,
    /// What is known of the text; null where there is none.
    pub(crate) query_state: Option<TextState>,
}

/// Which time and which sessions.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct WaitsQuery {
    /// What was read after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// What was read up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// The length of a step in seconds; else chosen, never shorter than the interval of readings.
    #[param(minimum = 1)]
    pub(crate) step: Option<i64>,
    /// Only of this database: a name or an oid.
    pub(crate) database: Option<String>,
    /// Only of this role: a name or an oid.
    pub(crate) user: Option<String>,
    /// Only of this application: the name that the client gave itself.
    pub(crate) application: Option<String>,
    /// Only of this statement: its queryid.
    pub(crate) queryid: Option<String>,
    /// Only this class of waits; by its wait events, where `by` does not say otherwise.
    pub(crate) class: Option<String>,
    /// What series are of: `class` of waits, which is the default, `event`, `database`, `user`, `application`, `query`, or
    /// `state`, which counts those that are idle in a transaction too.
    #[param(inline)]
    pub(crate) by: Option<WaitsBy>,
    /// Series at most, the largest; the last is what is left, together. Classes and states are all listed.
    #[param(minimum = 2, maximum = 50, default = 10)]
    pub(crate) limit: Option<usize>,
}

/// What tells series of active sessions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WaitsBy {
    /// The class of what they wait for; `CPU` where they wait for nothing.
    Class,
    /// The wait event, behind its class.
    Event,
    /// The database.
    Database,
    /// The role.
    User,
    /// The name that the client gave itself.
    Application,
    /// The statement's queryid.
    Query,
    /// The state.
    State,
}

/// Active sessions over time, by what they wait for or by whose they are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Waits {
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// By wait class and by state in the order in which they are stacked; by anything else the largest first.
    pub(crate) series: Vec<SessionSeries>,
    /// The mean number of active sessions over the range; null without a reading.
    pub(crate) mean: Option<f64>,
    /// What the figures are made of; null where sessions were not sampled in the range, and only the readings of
    /// `sessions` tell, which know neither application nor statement.
    pub(crate) samples: Option<Samples>,
    /// Why there are no values.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// How many samples there are of a range, in seconds that they stand for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Samples {
    /// That were taken. Figures are means over these.
    pub(crate) taken: i64,
    /// That were not: nothing is known of those seconds.
    pub(crate) missed: i64,
    /// What is to be said of it, where many were missed.
    pub(crate) message: Option<String>,
}

/// A number of sessions over time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct SessionSeries {
    /// What it is of: a wait class, a wait event, a state, a name; a queryid. `others` is what is left.
    pub(crate) name: String,
    /// The statement, by query; null where its text is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    /// What is known of that text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query_state: Option<TextState>,
    /// The mean over all readings of the range.
    pub(crate) mean: Option<f64>,
    /// Its part of all; null where there was none.
    pub(crate) share: Option<f64>,
    /// The mean of the readings of each step; null is a step without a reading.
    pub(crate) values: Vec<Option<f64>>,
}

/// Client connections: at a moment, and over time by state.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Connections {
    /// When they were read; null when nothing was read near the moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// How many there were, the collector's own among them; null without a reading.
    pub(crate) total: Option<i64>,
    /// `max_connections`.
    pub(crate) limit: Option<i64>,
    /// How many of them only superusers and `pg_use_reserved_connections` may take.
    pub(crate) reserved: Option<i64>,
    /// By state, in the order of the series.
    pub(crate) states: Vec<Connected>,
    /// By database, the most first.
    pub(crate) databases: Vec<Connected>,
    /// By role, the most first.
    pub(crate) users: Vec<Connected>,
    /// The age of the oldest transaction in milliseconds, also of a prepared one; null when there was none.
    pub(crate) oldest_xact_age_ms: Option<f64>,
    /// Whose transaction that is; null when there was none or it is not known.
    pub(crate) oldest_xact: Option<Holder>,
    /// The age in transactions of the oldest snapshot or transaction id, of sessions, prepared transactions and slots:
    /// VACUUM removes nothing newer. Null when there was none.
    pub(crate) oldest_xmin_age: Option<i64>,
    /// Who has it; null when there was none or it is not known.
    pub(crate) oldest_xmin: Option<Holder>,
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// By state.
    pub(crate) series: Vec<SessionSeries>,
    /// Why there are no values.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// How many connections one of something has.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Connected {
    /// Its name; its oid where the name is not known.
    pub(crate) name: String,
    /// Its connections.
    pub(crate) sessions: i64,
}
