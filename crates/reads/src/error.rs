//! Why a read has no answer.

use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Detail {
    /// The field, as in `metrics[3].rows[0].calls`; `.` is the whole body.
    pub path: String,
    /// What is wrong with it, and what was expected.
    pub reason: String,
}

impl Detail {
    /// One field and what is wrong with it.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What is asked for makes no sense, by field.
    #[error("{} fields are not valid", .0.len())]
    Invalid(Vec<Detail>),
    /// What is asked for is not there, as a sentence.
    #[error("{0}")]
    NotFound(&'static str),
    /// The store failed.
    #[error("read from the store")]
    Store(#[from] tokio_postgres::Error),
}

impl ReadError {
    pub(crate) fn invalid(details: Vec<Detail>) -> Self {
        Self::Invalid(details)
    }

    pub(crate) fn invalid_field(path: &str, reason: impl Into<String>) -> Self {
        Self::Invalid(vec![Detail::new(path, reason)])
    }

    pub(crate) fn not_found(sentence: &'static str) -> Self {
        Self::NotFound(sentence)
    }
}
