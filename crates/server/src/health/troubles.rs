//! What failed last for the store's sake: a full disk, a store that only reads, no connection left. It stands in
//! `/health` from the first failure on until the same works again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tokio_postgres::error::SqlState;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Storing a batch.
    Ingest,
    /// Answering a request that changes something.
    Write,
    /// Answering a request that reads.
    Read,
    /// Making partitions and dropping old ones.
    HouseKeeping,
}

impl Doing {
    const fn words(self) -> &'static str {
        match self {
            Self::Ingest => "Batches cannot be stored",
            Self::Write => "Changes cannot be stored",
            Self::Read => "Reads fail",
            Self::HouseKeeping => "House-keeping in the store fails",
        }
    }
}

#[derive(Clone, Debug)]
struct Trouble {
    since: Timestamp,
    why: &'static str,
}

/// What does not work at the moment.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<BTreeMap<Doing, Trouble>>);

impl Troubles {
    /// It failed, for a reason of [`why`].
    pub fn note(&self, doing: Doing, why: &'static str, now: Timestamp) {
        let mut troubles = self.lock();
        let since = troubles.get(&doing).map_or(now, |trouble| trouble.since);
        troubles.insert(doing, Trouble { since, why });
    }

    /// It worked: what needs the same of the store works too.
    pub fn worked(&self, doing: Doing) {
        let mut troubles = self.lock();
        if troubles.is_empty() {
            return;
        }
        troubles.remove(&doing);
        // Who can store can store also what is less, and who can store can read.
        if doing == Doing::Ingest {
            troubles.remove(&Doing::Write);
        }
        if matches!(doing, Doing::Ingest | Doing::Write) {
            troubles.remove(&Doing::Read);
        }
    }

    /// The store answered: what failed for want of an answer may work again, and nothing else says that it does not.
    pub fn answered(&self) {
        self.lock().retain(|_, trouble| !UNANSWERED.contains(&trouble.why));
    }

    /// A sentence for each.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let troubles = self.lock();
        troubles
            .iter()
            .map(|(doing, trouble)| format!("{} since {:.0}: {}.", doing.words(), trouble.since, trouble.why))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Doing, Trouble>> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// What an SQLSTATE says about the store itself; `None` where the fault is the statement's or the values'.
#[must_use]
pub fn why(state: &SqlState) -> Option<&'static str> {
    Some(match state.code() {
        "53100" => "its disk is full",
        "53200" => "it has not enough memory",
        "53300" => "it takes no more connections",
        "25006" => "it only reads: it is a standby, or set to read only",
        "42501" => "the server's role may not do what it has to",
        "57014" => "a statement took too long",
        "57P03" => STARTING,
        "3D000" | "28000" | "28P01" => "it refuses the server's sign-in",
        "58030" => "it cannot read or write its disk",
        "XX001" | "XX002" => "its data are damaged",
        code => match &code[..2] {
            "53" => "it lacks something that it needs",
            "57" => STOPPED,
            "58" => "its machine fails it",
            "08" => NO_ANSWER,
            _ => return None,
        },
    })
}

/// For a failure without an SQLSTATE: nobody answered.
pub const NO_ANSWER: &str = "it does not answer";
/// For a wait for a connection that was in vain.
pub const NO_CONNECTION: &str = "all of the server's connections to it are in use";
const STARTING: &str = "it is starting up or shutting down";
const STOPPED: &str = "it is being stopped";
/// What is over as soon as it answers.
const UNANSWERED: [&str; 4] = [NO_ANSWER, NO_CONNECTION, STARTING, STOPPED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_stands_from_the_first_failure_until_the_same_works() {
        let troubles = Troubles::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        troubles.note(Doing::Ingest, why(&SqlState::DISK_FULL).unwrap(), at(0));
        troubles.note(Doing::Ingest, why(&SqlState::DISK_FULL).unwrap(), at(60));
        troubles.worked(Doing::HouseKeeping);
        assert_eq!(troubles.sentences(), ["Batches cannot be stored since 1970-01-01T00:00:00Z: its disk is full."]);
        troubles.note(Doing::Write, NO_ANSWER, at(70));
        troubles.note(Doing::Read, why(&SqlState::ADMIN_SHUTDOWN).unwrap(), at(70));
        troubles.answered();
        assert_eq!(troubles.sentences().len(), 1, "an answer is no room on the disk");
        troubles.worked(Doing::Ingest);
        assert!(troubles.sentences().is_empty());
    }

    #[test]
    fn a_fault_of_the_values_is_none_of_the_stores() {
        assert_eq!(why(&SqlState::UNIQUE_VIOLATION), None);
        assert_eq!(why(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE), None);
    }
}
