//! What failed last for the store's sake: a full disk, a store that only reads, no connection left. It stands in
//! `/health` from the first failure on until the same works again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use store::{READ_ONLY, UNANSWERED};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Storing a batch.
    Ingest,
    /// Answering a request that changes something.
    Write,
    /// Answering a request that reads.
    Read,
    /// Making partitions ahead.
    Partitions,
    /// Dropping what is past its retention.
    Retention,
    /// Making buckets of tiers.
    RollUp,
    /// Noting what the store takes.
    Sizes,
    /// Compressing what is over.
    Compress,
}

impl Doing {
    const fn words(self) -> &'static str {
        match self {
            Self::Ingest => "Batches cannot be stored",
            Self::Write => "Changes cannot be stored",
            Self::Read => "Reads fail",
            Self::Partitions => "Partitions cannot be made ahead",
            Self::Retention => "What is past its retention cannot be dropped",
            Self::RollUp => "Figures per 5 minutes, hour, day and week cannot be made",
            Self::Sizes => "What the store takes cannot be noted",
            Self::Compress => "What is not written to any more cannot be compressed",
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
    /// It failed, for a reason of [`store::why`].
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

    /// The store answered, and may write or only read: what failed for want of that may work again, and nothing else
    /// says that it does not.
    pub fn answered(&self, may_write: bool) {
        let is_over = |why| UNANSWERED.contains(&why) || (may_write && why == READ_ONLY);
        self.lock().retain(|_, trouble| !is_over(trouble.why));
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

#[cfg(test)]
mod tests {
    use store::{NO_ANSWER, why};
    use tokio_postgres::error::SqlState;

    use super::*;

    #[test]
    fn trouble_stands_from_the_first_failure_until_the_same_works() {
        let troubles = Troubles::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        troubles.note(Doing::Ingest, why(&SqlState::DISK_FULL).unwrap(), at(0));
        troubles.note(Doing::Ingest, why(&SqlState::DISK_FULL).unwrap(), at(60));
        troubles.worked(Doing::Retention);
        assert_eq!(troubles.sentences(), ["Batches cannot be stored since 1970-01-01T00:00:00Z: its disk is full."]);
        troubles.note(Doing::Write, NO_ANSWER, at(70));
        troubles.note(Doing::Read, why(&SqlState::ADMIN_SHUTDOWN).unwrap(), at(70));
        troubles.answered(false);
        assert_eq!(troubles.sentences().len(), 1, "an answer is no room on the disk");
        troubles.note(Doing::Write, READ_ONLY, at(80));
        troubles.answered(false);
        assert_eq!(troubles.sentences().len(), 2);
        troubles.answered(true);
        assert_eq!(troubles.sentences().len(), 1);
        troubles.worked(Doing::Ingest);
        assert!(troubles.sentences().is_empty());
    }
}
