//! What is counted while a load runs: by all collectors together, in as much memory as one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time that is told apart, in microseconds: 30 days, longer than any backlog.
const LONGEST_US: u64 = 30 * 86_400_000_000;
/// Significant digits of a time.
const DIGITS: u8 = 3;
/// The most different words of a server that are counted apart.
const MOST_WORDS: usize = 50;

/// Counters of a load.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) registered: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) batches_acknowledged: AtomicU64,
    pub(super) rows_acknowledged: AtomicU64,
    pub(super) rows_rejected: AtomicU64,
    pub(super) refused: AtomicU64,
    /// Batches that were sent once more on purpose.
    pub(super) sent_twice: AtomicU64,
    /// Batches that the server had already, whyever they were sent again.
    pub(super) duplicates: AtomicU64,
    pub(super) requests: AtomicU64,
    /// The longest request, whatever was answered, in microseconds.
    pub(super) longest_us: AtomicU64,
    times: Mutex<Times>,
    words: Mutex<BTreeMap<String, u64>>,
}

#[derive(Debug)]
struct Times {
    answer: Histogram<u64>,
    due: Histogram<u64>,
}

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Counted {
    pub(super) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        Ok(Self {
            registered: AtomicU64::default(),
            batches: AtomicU64::default(),
            rows: AtomicU64::default(),
            batches_acknowledged: AtomicU64::default(),
            rows_acknowledged: AtomicU64::default(),
            rows_rejected: AtomicU64::default(),
            refused: AtomicU64::default(),
            sent_twice: AtomicU64::default(),
            duplicates: AtomicU64::default(),
            requests: AtomicU64::default(),
            longest_us: AtomicU64::default(),
            times: Mutex::new(Times { answer: histogram()?, due: histogram()? }),
            words: Mutex::default(),
        })
    }

    /// A request took so long, whatever was answered.
    pub(super) fn took(&self, time: Duration) {
        self.longest_us.fetch_max(micros(time), Ordering::Relaxed);
    }

    /// A request was acknowledged so long after it was sent.
    pub(super) fn answered(&self, after: Duration) {
        lock(&self.times).answer.saturating_record(micros(after));
    }

    /// A reading was acknowledged so long after it was read.
    pub(super) fn delivered(&self, after_us: i64) {
        lock(&self.times).due.saturating_record(u64::try_from(after_us).unwrap_or(0));
    }

    /// The server, or the way to it, said something else than yes.
    pub(super) fn said(&self, words: &str) {
        let mut all = lock(&self.words);
        if all.contains_key(words) || all.len() < MOST_WORDS {
            *all.entry(words.to_owned()).or_default() += 1;
        } else {
            *all.entry("other".to_owned()).or_default() += 1;
        }
    }

    /// From sending to the answer, and from reading to the answer.
    pub(super) fn latencies(&self) -> (Latency, Latency) {
        let times = lock(&self.times);
        (latency(&times.answer), latency(&times.due))
    }

    /// What was said instead of yes, and how often.
    pub(super) fn words(&self) -> BTreeMap<String, u64> {
        lock(&self.words).clone()
    }
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// What a counter stands at.
pub(super) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[expect(clippy::cast_precision_loss, reason = "at most an hour in microseconds")]
fn latency(histogram: &Histogram<u64>) -> Latency {
    let ms = |us: u64| us as f64 / 1000.0;
    let at = |quantile| ms(histogram.value_at_quantile(quantile));
    Latency { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: ms(histogram.max()) }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST_US)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
