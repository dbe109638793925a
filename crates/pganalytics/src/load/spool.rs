//! What a simulated collector has not delivered yet: numbers of cycles, from which its batches are made.

use std::collections::VecDeque;

/// A backlog beyond which every other batch is the newest one, as with a collector's own spool.
const BACKLOG: usize = 8;

/// Cycles that wait.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// What was there at the beginning and was not sent yet.
    backlog: std::ops::Range<u32>,
    waiting: VecDeque<u32>,
    /// Is sent after the next one.
    late: Option<u32>,
    newest_next: bool,
}

impl Spool {
    pub(super) fn new(backlog: u32) -> Self {
        Self { backlog: 0..backlog, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.backlog.len() + self.waiting.len() + usize::from(self.late.is_some())
    }

    /// One more; a late one changes places with the next.
    pub(super) fn put(&mut self, cycle: u32, is_late: bool) {
        let before = self.late.take();
        if is_late && before.is_none() {
            self.late = Some(cycle);
            return;
        }
        self.waiting.push_back(cycle);
        self.waiting.extend(before);
    }

    /// Up to so many to send now: the oldest, and while there are many every other time the newest.
    pub(super) fn take(&mut self, most: usize) -> Vec<u32> {
        let many = self.len() > BACKLOG;
        self.newest_next = many && !self.newest_next;
        if self.newest_next
            && let Some(newest) = self.waiting.pop_back()
        {
            return vec![newest];
        }
        let mut taken: Vec<u32> = self.backlog.by_ref().take(most).collect();
        while taken.len() < most
            && let Some(next) = self.waiting.pop_front()
        {
            taken.push(next);
        }
        taken
    }

    /// Was sent in vain, and goes first.
    pub(super) fn put_back(&mut self, cycle: u32) {
        self.waiting.push_front(cycle);
    }

    /// All that waits.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.backlog.clone().chain(self.waiting.iter().copied()).chain(self.late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_the_newest_does_not_wait_for_a_backlog() {
        let mut spool = Spool::new(20);
        spool.put(20, false);
        assert_eq!((spool.take(3), spool.take(3), spool.take(1)), (vec![20], vec![0, 1, 2], vec![3]));
        spool.put_back(3);
        assert_eq!(spool.len(), 17);
        assert_eq!(spool.all().count(), 17);
        let mut spool = Spool::default();
        spool.put(0, true);
        assert!(spool.take(5).is_empty(), "it waits for the next");
        spool.put(1, true);
        assert_eq!(spool.take(5), [1, 0]);
    }
}
