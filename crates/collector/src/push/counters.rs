//! What the server is told of the process with each batch, and what its answers say of configurations.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use config::Pushed;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::run::Assignment;
use crate::state::Trouble;

/// What the server is told of the process with each batch.
#[derive(Debug, Default)]
pub struct Counters {
    /// Why the newest configuration is not followed, while it is not.
    pub not_followed: Mutex<Option<Trouble>>,
    configuration: Mutex<Versions>,
    told: Notify,
    /// Cycles skipped because they were late.
    pub late_cycles: AtomicU64,
    /// Batches that the server refused for good.
    pub refused_batches: AtomicU64,
}

/// Versions of pushed configurations.
#[derive(Debug, Default)]
struct Versions {
    in_force: Option<Pushed>,
    /// Refused, while it is the newest.
    refused: Option<i64>,
    /// What is known that the server wants.
    known: Option<i64>,
}

impl Counters {
    /// Notes why the newest configuration is not followed, or that it is.
    pub fn note_configuration(&self, error: Option<&anyhow::Error>) {
        let mut noted = self.not_followed.lock().unwrap_or_else(PoisonError::into_inner);
        let since_us = noted.as_ref().map_or_else(|| Clock::here().now_us(), |before| before.since_us);
        *noted = error.map(|error| Trouble { error: format!("{error:#}"), since_us });
    }

    /// Notes that an assignment is followed, and what is not instead.
    pub(crate) fn note_followed(&self, assignment: &Assignment) {
        let refused = assignment.refused.as_ref();
        self.note_configuration(refused.map(|(_, error)| anyhow::anyhow!("{error}")).as_ref());
        let mut versions = self.versions();
        (versions.in_force, versions.refused) = (assignment.pushed.clone(), refused.and_then(|(version, _)| *version));
    }

    /// Notes that an assignment cannot be followed, with what was pushed.
    pub(crate) fn note_not_followed(&self, pushed: Option<i64>, error: &anyhow::Error) {
        self.note_configuration(Some(error));
        let mut versions = self.versions();
        versions.refused = pushed.filter(|pushed| versions.in_force.as_ref().map(|one| one.version) != Some(*pushed));
    }

    /// The pushed configuration in force.
    pub(crate) fn in_force(&self) -> Option<Pushed> {
        self.versions().in_force.clone()
    }

    /// Notes what is known that the server wants.
    pub(crate) fn note_known(&self, version: Option<i64>) {
        self.versions().known = version;
    }

    /// The server said which configuration it wants; whoever asks for it is told when that is news.
    pub(super) fn note_told(&self, wanted: Option<i64>) {
        // A server without any says nothing here.
        if wanted.is_some() && self.versions().known != wanted {
            self.told.notify_one();
        }
    }

    /// The server said that it wants another configuration.
    pub async fn told_of_configuration(&self) {
        self.told.notified().await;
    }

    /// The versions in force and refused.
    pub(super) fn numbers(&self) -> (Option<i64>, Option<i64>) {
        let versions = self.versions();
        (versions.in_force.as_ref().map(|pushed| pushed.version), versions.refused)
    }

    fn versions(&self) -> MutexGuard<'_, Versions> {
        self.configuration.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn not_followed(&self) -> Option<Trouble> {
        self.not_followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
