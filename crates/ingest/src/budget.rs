//! Bytes in flight: bounded as a whole, and no collector takes the room of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use uuid::Uuid;

/// The bytes of all batches between arrival and answer.
#[derive(Clone, Debug)]
pub struct Budget {
    inner: Arc<Mutex<Inner>>,
    capacity: u64,
}

#[derive(Debug, Default)]
struct Inner {
    used: u64,
    by_collector: HashMap<Uuid, u64>,
    refused: u64,
}

/// Room for one batch; given back when dropped.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    collector: Uuid,
    bytes: u64,
    /// The bytes of the request that the batch came in with others; they are room taken, but none of another batch.
    request: u64,
}

impl Budget {
    /// A budget of so many bytes (`METRICS_BUFFER_SIZE`).
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self { inner: Arc::default(), capacity }
    }

    /// Bytes in flight.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used
    }

    /// The most bytes in flight.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Batches that found no room, since start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Room for a batch, if there is any: a lone batch always has room, however large, and a
    /// collector's second one has none past half of the whole.
    #[must_use]
    pub fn admit(&self, collector: Uuid, bytes: u64) -> Option<Room> {
        let room = Room { budget: self.clone(), collector, bytes: 0, request: 0 };
        room.grow(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        match self.inner.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Room {
    /// Room for a batch out of the request that this is the room of; it must not outlive it.
    #[must_use]
    pub(crate) fn inside(&self) -> Self {
        Self { budget: self.budget.clone(), collector: self.collector, bytes: 0, request: self.bytes }
    }

    /// More room for the same batch; without it, all of it is given back.
    #[must_use]
    pub fn grow(mut self, bytes: u64) -> Option<Self> {
        {
            let mut inner = self.budget.lock();
            let mine = inner.by_collector.get(&self.collector).copied().unwrap_or(0);
            let own = self.bytes + self.request;
            let (others, my_others) = (inner.used - own, mine - own);
            let wanted = own.saturating_add(bytes);
            let fits = others.saturating_add(wanted) <= self.budget.capacity;
            let fair = my_others == 0 || my_others.saturating_add(wanted) <= self.budget.capacity / 2;
            if others == 0 || (fits && fair) {
                inner.used = others.saturating_add(wanted);
                inner.by_collector.insert(self.collector, my_others.saturating_add(wanted));
            } else {
                inner.refused += 1;
                drop(inner);
                return None;
            }
        }
        self.bytes += bytes;
        Some(self)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut inner = self.budget.lock();
        inner.used = inner.used.saturating_sub(self.bytes);
        let left = inner.by_collector.get(&self.collector).copied().unwrap_or(0).saturating_sub(self.bytes);
        if left == 0 {
            inner.by_collector.remove(&self.collector);
        } else {
            inner.by_collector.insert(self.collector, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Budget;

    #[test]
    fn room_is_bounded_fair_and_given_back() {
        let budget = Budget::new(100);
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let alone = budget.admit(a, 1000).expect("a lone batch has room");
        assert!(budget.admit(b, 1).is_none(), "the whole is used");
        drop(alone);
        let first = budget.admit(a, 30).expect("room");
        assert!(budget.admit(a, 30).is_none(), "a second batch stays below half");
        let other = budget.admit(b, 60).expect("room for another collector");
        assert!(budget.admit(b, 5).is_none(), "over half of the whole");
        assert!(first.grow(20).is_none(), "past the whole");
        assert_eq!(budget.used(), 60, "what cannot grow gives back what it had");
        drop(other);
        assert_eq!((budget.used(), budget.refused()), (0, 4));
    }
}
