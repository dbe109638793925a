//! `GET /metrics`, `/metrics/count`, `/catalog` and `/catalog/{set}`.

use super::catalog::{self, MeasuredSet, MeasuredSets};
use super::count::{self, CountQuery, Counts};
use super::rows::{self, RowsQuery, SetRows};
use crate::error::ReadError;
use crate::reader::Snapshot;

/// Rows of one set.
///
/// # Errors
/// When there is no such set or column, a parameter makes no sense, or the store fails.
pub async fn read_rows(snapshot: &Snapshot, query: RowsQuery) -> Result<SetRows, ReadError> {
    rows::read(snapshot, query).await
}

/// How many rows there are, by set.
///
/// # Errors
/// When the store fails.
pub async fn count_rows(snapshot: &Snapshot, query: CountQuery) -> Result<Counts, ReadError> {
    count::count(snapshot, &query).await
}

/// What is measured.
#[must_use]
pub fn list_sets(snapshot: &Snapshot) -> MeasuredSets {
    catalog::all(snapshot)
}

/// One set.
///
/// # Errors
/// When there is no such set.
pub fn get_set(snapshot: &Snapshot, set: &str) -> Result<MeasuredSet, ReadError> {
    catalog::one(snapshot, set).ok_or_else(|| ReadError::not_found("There is no such set."))
}
