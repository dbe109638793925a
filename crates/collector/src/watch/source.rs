//! Sources: what the sets of one scope are read from. Each has its schedule, its reading, and what it says of sets that
//! cannot be read; they share how a frame becomes a reading (`recorder.rs`), and the way to PostgreSQL (`server.rs`).

use catalog::Scope;

use super::recorder::Recorder;
use super::server::Server;
use super::{Baselines, Cycle};

/// Something that is read for an instance.
pub(super) trait Source {
    /// The scope of the sets that it reads.
    const SCOPE: Scope;
    /// What of it is due: sets, or a database with its sets.
    type Due: ?Sized;
    /// Why nothing could be read at all.
    type Error;

    /// Reads what is due into a cycle.
    async fn read(&mut self, due: &Self::Due, at: &mut At<'_>) -> Result<(), Self::Error>;

    /// Its sets with their intervals in seconds.
    fn schedule(recorder: &Recorder) -> Vec<(String, u32)> {
        recorder.scheduled(Self::SCOPE)
    }
}

/// What a source reads with, and into.
pub(super) struct At<'a> {
    pub(super) server: &'a mut Server,
    pub(super) recorder: &'a mut Recorder,
    /// The baselines at the beginning of the cycle.
    pub(super) baselines: &'a Baselines,
    pub(super) cycle: &'a mut Cycle,
}
