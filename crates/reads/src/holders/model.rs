//! What travels of those who hold something back.

use serde::Serialize;
use utoipa::ToSchema;

/// What holds something back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HolderKind {
    /// A session, or a process of PostgreSQL's own.
    Session,
    /// A transaction that was prepared and not yet ended: it has no session.
    PreparedTransaction,
    /// A slot that keeps rows for its consumer.
    ReplicationSlot,
    /// A table that was not frozen for as long.
    Table,
}

/// Who holds something back.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Holder {
    /// What it is.
    pub(crate) kind: HolderKind,
    /// Who it is, in words.
    pub(crate) who: String,
    /// The process id of the session, also of the one whose temporary table it is.
    pub(crate) pid: Option<i32>,
    /// For how long its transaction has been open, or prepared, in milliseconds.
    pub(crate) age_ms: Option<f64>,
    /// How many transactions, or multixacts, ago what it holds back was assigned.
    pub(crate) age: Option<i64>,
}
