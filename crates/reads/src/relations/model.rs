//! What travels of tables and indexes alike.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Detail, ReadError};
use crate::range::Range;
use crate::when::When;

/// Rows in an answer unless asked otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MOST: usize = 1000;

/// Schemas of PostgreSQL's own relations.
pub(crate) const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// Whether a schema is PostgreSQL's own.
pub(crate) fn is_system(schema: Option<&str>) -> bool {
    schema.is_some_and(|schema| SYSTEM_SCHEMAS.contains(&schema))
}

/// How partitions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Partitions {
    /// Summed under the topmost table above them.
    #[default]
    Fold,
    /// Each by itself.
    List,
}

/// Something that cannot be read, and what mends it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Unreadable {
    /// The set.
    pub(crate) set: String,
    /// The kind of reason.
    pub(crate) code: String,
    /// The reason, as a sentence.
    pub(crate) message: String,
    /// The SQL that mends it.
    pub(crate) fix: Option<String>,
}

/// The range and the moment that are meant: with `at` alone, the hour before it.
pub(crate) fn when(
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Range, Timestamp), ReadError> {
    let range = Range::asked(start, end.or(at), now)?;
    Ok((range, When { start, end, step: None, at }.moment(range.end)))
}

/// How many rows are meant.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, ReadError> {
    let limit = asked.unwrap_or(LIMIT);
    if (1..=LIMIT_MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(ReadError::invalid(vec![Detail::new("limit", format!("expected 1 to {LIMIT_MOST}"))]))
}

/// The refusal of an order that is none.
pub(crate) fn no_such_order<'a>(names: impl Iterator<Item = &'a str>) -> ReadError {
    let names = names.collect::<Vec<_>>().join(", ");
    ReadError::invalid(vec![Detail::new("order", format!("expected one of {names}"))])
}
