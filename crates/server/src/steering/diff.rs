//! What differs between two texts, for people.

use std::time::Duration;

use similar::TextDiff;

use crate::http::ApiError;

/// Lines shown around what differs.
const CONTEXT_LINES: usize = 3;
/// After this long a diff need not be the shortest one: two texts of a megabyte may have nothing in common.
const SHORTEST_FOR: Duration = Duration::from_millis(100);

/// A unified diff; empty where nothing differs.
pub(super) fn diff(before: &str, after: &str) -> String {
    let compared = TextDiff::configure().timeout(SHORTEST_FOR).diff_lines(before, after);
    compared.unified_diff().context_radius(CONTEXT_LINES).to_string()
}

/// Does what takes its time, as diffs and plans of large texts do, aside from what answers others.
///
/// # Errors
/// Where it panics.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}
