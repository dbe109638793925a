//! What a simulated collector has not delivered yet: numbers of cycles, from which its batches are made.

use std::collections::VecDeque;

/// A backlog beyond which every other batch is the newest one, as with a collector's own spool.
const BACKLOG: usize = 8;

/// Cycles that wait.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// What was there at the beginning and was not sent yet.
    backlog: std::ops::Range<u32>,
    /// Of these, what is sent after the one that was behind it.
    behind: Option<u32>,
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
        self.backlog.len() + self.waiting.len() + [self.behind, self.late].iter().flatten().count()
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
    pub(super) fn take(&mut self, most: usize, is_late: impl Fn(u32) -> bool) -> Vec<u32> {
        let many = self.len() > BACKLOG;
        self.newest_next = many && !self.newest_next;
        if self.newest_next
            && let Some(newest) = self.waiting.pop_back()
        {
            return vec![newest];
        }
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(next) = self.next_of_backlog(&is_late)
        {
            taken.push(next);
        }
        while taken.len() < most
            && let Some(next) = self.waiting.pop_front()
        {
            taken.push(next);
        }
        taken
    }

    fn next_of_backlog(&mut self, is_late: impl Fn(u32) -> bool) -> Option<u32> {
        if let Some(behind) = self.behind.take() {
            return Some(behind);
        }
        let next = self.backlog.next()?;
        if !is_late(next) {
            return Some(next);
        }
        let Some(follows) = self.backlog.next() else { return Some(next) };
        self.behind = Some(next);
        Some(follows)
    }

    /// Was sent in vain, and goes first.
    pub(super) fn put_back(&mut self, cycle: u32) {
        self.waiting.push_front(cycle);
    }

    /// All that waits.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.backlog.clone().chain(self.behind).chain(self.waiting.iter().copied()).chain(self.late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_the_newest_does_not_wait_for_a_backlog() {
        let mut spool = Spool::new(20);
        spool.put(20, false);
        let mut take = |most| spool.take(most, |_| false);
        assert_eq!((take(3), take(3), take(1)), (vec![20], vec![0, 1, 2], vec![3]));
        spool.put_back(3);
        assert_eq!(spool.len(), 17);
        assert_eq!(spool.all().count(), 17);
        let mut spool = Spool::default();
        spool.put(0, true);
        assert!(spool.take(5, |_| true).is_empty(), "it waits for the next");
        spool.put(1, true);
        assert_eq!(spool.take(5, |_| true), [1, 0]);
        let mut spool = Spool::new(5);
        let mut take = |most| spool.take(most, |cycle| cycle != 2);
        assert_eq!((take(1), take(3), take(5)), (vec![1], vec![0, 2, 4], vec![3]), "also of a backlog");
    }
}
