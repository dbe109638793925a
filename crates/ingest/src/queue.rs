//! Group commit: batches that wait while a transaction is under way share the next one, taken in
//! turns between collectors.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use crate::encode::Prepared;
use crate::ledger::Entry;
use crate::write::write_group;
use store::{Store, StoreError};

/// Transactions under way at a time: measured, two connections copy nearly twice as fast as one.
const WRITERS: u64 = 2;

/// Where so many rows wait, they are shared between the writers that are free; fewer take one transaction.
const MIN_SHARED_ROWS: u64 = 4000;

/// Where so many collectors deliver within [`CROWD_WITHIN`], more are waited for before a transaction begins: what it
/// takes beside its rows is the same for one batch as for many.
const CROWD: usize = 50;

/// In which time collectors are counted.
const CROWD_WITHIN: Duration = Duration::from_secs(1);

/// For how long more are waited for.
const GATHER: Duration = Duration::from_millis(50);

/// The most batches in one transaction.
const MAX_GROUP_BATCHES: usize = 64;

/// The most rows in one transaction, unless one batch has more.
const MAX_GROUP_ROWS: u64 = 200_000;

/// The most bytes in one transaction, unless one batch has more.
const MAX_GROUP_BYTES: u64 = 64 << 20;

struct Job {
    batch: Arc<Prepared>,
    answer: oneshot::Sender<Result<Entry, StoreError>>,
}

#[derive(Default)]
struct Waiting {
    by_collector: HashMap<Uuid, VecDeque<Job>>,
    turns: VecDeque<Uuid>,
    /// Rows of all that wait.
    rows: u64,
    /// Writers that are not writing.
    free: u64,
    crowd: Crowd,
    closed: bool,
}

/// How many collectors deliver.
struct Crowd {
    since: Instant,
    now: HashSet<Uuid>,
    /// How many there were in the time before.
    before: usize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { since: Instant::now(), now: HashSet::new(), before: 0 }
    }
}

impl Crowd {
    fn note(&mut self, collector: Uuid, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= CROWD_WITHIN {
            self.before = if elapsed < CROWD_WITHIN * 2 { self.now.len() } else { 0 };
            self.now.clear();
            self.since = now;
        }
        self.now.insert(collector);
    }

    fn is_there(&self) -> bool {
        self.before.max(self.now.len()) >= CROWD
    }
}

/// The batches that wait to be written.
#[derive(Clone, Default)]
pub(crate) struct Queue {
    waiting: Arc<Mutex<Waiting>>,
    changed: Arc<Notify>,
    /// Held by the one writer that waits.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What will have become of a batch.
pub(crate) struct Written(oneshot::Receiver<Result<Entry, StoreError>>);

impl Written {
    /// Waits until the batch is written.
    pub(crate) async fn entry(self) -> Result<Entry, StoreError> {
        self.0.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// A queue with its writers.
    pub(crate) fn start(store: &Arc<Store>) -> Self {
        let queue = Self::default();
        queue.lock().free = WRITERS;
        for _ in 0..WRITERS {
            tokio::spawn(queue.clone().write(Arc::clone(store)));
        }
        queue
    }

    /// Puts a batch behind those that wait. It is written even when nobody waits for it any more.
    pub(crate) fn put(&self, batch: Arc<Prepared>) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.closed {
                return Err(StoreError::Closed);
            }
            let collector = batch.collector_id;
            waiting.rows += batch.rows();
            waiting.crowd.note(collector, Instant::now());
            let jobs = waiting.by_collector.entry(collector).or_default();
            let is_first = jobs.is_empty();
            jobs.push_back(Job { batch, answer });
            if is_first {
                waiting.turns.push_back(collector);
            }
        }
        self.changed.notify_one();
        Ok(Written(answered))
    }

    /// Takes no more batches; the writers end when they have written what waits.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        match self.waiting.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    async fn write(self, store: Arc<Store>) {
        while let Some(group) = self.next().await {
            let batches: Vec<Arc<Prepared>> = group.iter().map(|job| Arc::clone(&job.batch)).collect();
            let entries = write_group(&store, &batches).await;
            for (job, entry) in group.into_iter().zip(entries) {
                // Whoever asked may be gone; the ledger answers when they ask again.
                let _ = job.answer.send(entry);
            }
            self.lock().free += 1;
        }
    }

    /// Waits for the next group; none when no more will come.
    async fn next(&self) -> Option<Vec<Job>> {
        let _turn = self.turn.lock().await;
        loop {
            let (is_empty, is_closed, is_to_grow) = {
                let waiting = self.lock();
                let is_small = waiting.by_collector.len() < MAX_GROUP_BATCHES;
                (waiting.turns.is_empty(), waiting.closed, is_small && waiting.crowd.is_there())
            };
            match (is_empty, is_closed) {
                (true, true) => return None,
                (true, false) => self.changed.notified().await,
                (false, _) => {
                    if is_to_grow && !is_closed {
                        tokio::time::sleep(GATHER).await;
                    }
                    let group = self.take();
                    if !group.is_empty() {
                        return Some(group);
                    }
                }
            }
        }
    }

    /// The next group, one batch of each collector in turn, in the order of the ledger's keys; whoever takes one is
    /// not free any more.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.lock();
        let mut group: Vec<Job> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        let most_rows = waiting.rows.div_ceil(waiting.free.max(1)).clamp(MIN_SHARED_ROWS, MAX_GROUP_ROWS);
        while group.len() < MAX_GROUP_BATCHES {
            let Some(collector) = waiting.turns.front().copied() else { break };
            let Some(jobs) = waiting.by_collector.get_mut(&collector) else {
                waiting.turns.pop_front();
                continue;
            };
            let Some(next) = jobs.front() else {
                waiting.by_collector.remove(&collector);
                waiting.turns.pop_front();
                continue;
            };
            let (more_rows, more_bytes) = (rows + next.batch.rows(), bytes + next.batch.bytes());
            if !group.is_empty() && (more_rows > most_rows || more_bytes > MAX_GROUP_BYTES) {
                break;
            }
            (rows, bytes) = (more_rows, more_bytes);
            group.extend(jobs.pop_front());
            let is_empty = jobs.is_empty();
            waiting.turns.pop_front();
            if is_empty {
                waiting.by_collector.remove(&collector);
            } else {
                waiting.turns.push_back(collector);
            }
        }
        waiting.rows -= rows;
        waiting.free -= u64::from(!group.is_empty());
        group.sort_by_key(|job| (job.batch.collector_id, job.batch.key));
        group
    }
}
