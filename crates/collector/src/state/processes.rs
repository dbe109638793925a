//! Which processes delivered from a state directory: another one that did has a copy of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::spool::write_durably;

const FILE: &str = "processes";

/// Who delivered from here last, and who is about to; shared by all spools of a process.
#[derive(Clone, Debug)]
pub struct Processes(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    directory: PathBuf,
    /// Empty where that is not known.
    processes: Vec<Uuid>,
    /// Whether another one delivered, when the server was asked first; later it names this one.
    was_strange: Option<bool>,
    /// Whether this one is among them.
    is_entered: bool,
}

impl Processes {
    /// Those of a directory; of a directory that a version before kept them in, where there are none yet.
    #[must_use]
    pub fn read(directory: &Path, before: Option<&Path>) -> Self {
        let read = |directory: &Path| std::fs::read_to_string(directory.join(FILE)).ok();
        let text = read(directory).or_else(|| read(before?)).unwrap_or_default();
        let processes = text.lines().filter_map(|line| Uuid::parse_str(line).ok()).collect();
        let directory = directory.to_owned();
        Self(Arc::new(Mutex::new(Known { directory, processes, was_strange: None, is_entered: false })))
    }

    /// Whether the process that the server heard of last is none that delivered from here.
    #[must_use]
    pub(super) fn is_strange(&self, last: Option<Uuid>, own: Uuid) -> bool {
        let mut known = self.lock();
        let is_known = |last: Uuid| last == own || known.processes.is_empty() || known.processes.contains(&last);
        let is_strange = last.is_some_and(|last| !is_known(last));
        *known.was_strange.get_or_insert(is_strange)
    }

    /// Writes down that this process delivers from here on. Where it cannot, the next one takes the directory for an
    /// older one, and counts too little.
    pub(super) fn enter(&self, last: Option<Uuid>, own: Uuid) {
        let mut known = self.lock();
        if known.is_entered {
            return;
        }
        let delivered = last.or_else(|| known.processes.first().copied());
        let processes: Vec<Uuid> = delivered.into_iter().chain([own]).collect();
        let lines: String = processes.iter().map(|process| format!("{process}\n")).collect();
        if let Err(error) = write_durably(&known.directory, FILE, lines.as_bytes()) {
            tracing::warn!(%error, "which process delivers is not on disk");
        }
        known.processes = processes;
        known.is_entered = true;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
