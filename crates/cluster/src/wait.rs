//! Waiting for a condition outside this process, with a deadline.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Looks at `condition` until it answers `Some`, at most until `limit` has passed.
#[expect(clippy::disallowed_methods, reason = "the condition is another process's file; there is nothing to block on")]
pub(crate) fn until<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(POLL);
    }
}
