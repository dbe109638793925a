//! A bound on the disk for several spools: each may always have its share, and more while others leave it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What all spools of a collector may have together.
#[derive(Debug)]
pub struct Quota {
    total: AtomicU64,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    /// The bytes of each spool, by its number.
    bytes: BTreeMap<usize, u64>,
    next: usize,
}

impl Quota {
    /// So many bytes.
    #[must_use]
    pub fn new(total: u64) -> Self {
        Self { total: AtomicU64::new(total), used: Mutex::new(Used { bytes: BTreeMap::new(), next: 0 }) }
    }

    /// So many bytes from here on.
    pub fn set(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// One more spool; answers its number.
    pub(super) fn join(&self) -> usize {
        let mut used = self.lock();
        let number = used.next;
        used.next += 1;
        used.bytes.insert(number, 0);
        number
    }

    /// One less.
    pub(super) fn leave(&self, number: usize) {
        self.lock().bytes.remove(&number);
    }

    /// What a spool may always have.
    pub(super) fn share(&self) -> u64 {
        self.total() / (self.lock().bytes.len() as u64).max(1)
    }

    /// What a spool may have now that takes so many bytes.
    pub(super) fn limit(&self, number: usize, bytes: u64) -> u64 {
        let mut used = self.lock();
        used.bytes.insert(number, bytes);
        let others: u64 = used.bytes.iter().filter(|(other, _)| **other != number).map(|(_, bytes)| bytes).sum();
        (self.total() / used.bytes.len() as u64).max(self.total().saturating_sub(others))
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_what_others_leave() {
        let quota = Quota::new(100);
        let [one, other] = [quota.join(), quota.join()];
        assert_eq!(quota.share(), 50);
        assert_eq!(quota.limit(one, 70), 100, "the other has nothing");
        assert_eq!(quota.limit(other, 10), 50, "and has its share all the same");
        assert_eq!(quota.limit(one, 70), 90);
        assert_eq!(quota.limit(other, 50), 50);
        assert_eq!(quota.limit(one, 70), 50, "what is above the share is given back");
        quota.leave(other);
        assert_eq!((quota.limit(one, 50), quota.share()), (100, 100));
    }
}
