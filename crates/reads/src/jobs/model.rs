//! Jobs.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The background work of all servers of a store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jobs {
    /// One for each kind of work.
    pub(crate) data: Vec<BackgroundJob>,
}

/// How a job is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobState {
    /// A server does it now.
    Running,
    /// The last run did what it should; the next one has its time.
    Waiting,
    /// The last run failed; it is tried again.
    Failed,
    /// It is due for half a minute and no server takes it: none runs, or none can note in the store that it does;
    /// `GET /health` says why.
    Overdue,
}

/// One job. All times are by the clock of the store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BackgroundJob {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, in a sentence.
    pub(crate) help: &'static str,
    /// How long after a run the next one is due.
    pub(crate) interval_seconds: u64,
    /// How it is.
    pub(crate) state: JobState,
    /// The server's process that does it now; null when none does.
    pub(crate) holder: Option<Uuid>,
    /// The machine of the server that does it or did it last; null before the first run.
    pub(crate) host: Option<String>,
    /// When the run that is under way began, or the last one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<Timestamp>,
    /// When the last run ended that was not broken off.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) finished_at: Option<Timestamp>,
    /// How long that took.
    pub(crate) duration_ms: Option<f64>,
    /// What the last run that did not fail did, as counts.
    #[schema(value_type = Option<BTreeMap<String, i64>>)]
    pub(crate) done: Option<serde_json::Value>,
    /// Why the last run failed that did; it stays when later ones do not.
    pub(crate) error: Option<String>,
    /// When that was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) error_at: Option<Timestamp>,
    /// How many runs failed since one did not.
    pub(crate) failures: i32,
    /// When it is due again; in the past where it is due now.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) next_at: Timestamp,
    /// What is to be made, by tier: of `roll_up` only. The newest is made first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Vec<DueBuckets>>,
}

/// Buckets of a tier that are over and not made, or to be made again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DueBuckets {
    /// `5m`, `1h`, `1d` or `1w`.
    pub(crate) tier: &'static str,
    /// Notes of what is due: of an instance and a stretch of time each.
    pub(crate) count: i64,
    /// The end of the oldest bucket; null where none is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) oldest: Option<Timestamp>,
    /// The end of the newest.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) newest: Option<Timestamp>,
}
