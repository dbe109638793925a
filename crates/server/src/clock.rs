//! The time of day, passed in wherever logic depends on it.

use std::fmt::Debug;

use jiff::Timestamp;

/// Tells the time. Tests put their own in.
pub trait Clock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
