//! Reads one instance at its times, and spools each cycle.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::lanes::{Lanes, Standing};
use crate::own::{self, Process};
use crate::push::Counters;
use crate::schedule::Schedule;
use crate::state::{Shared, lock};
use crate::watch::Watch;

/// One instance, and where what is read of it goes.
pub(crate) struct Observation {
    pub(crate) watch: Watch,
    pub(crate) schedule: Schedule,
    pub(crate) shared: Shared,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Observation {
    /// What the process knows of itself.
    fn process(&self) -> Process {
        let Standing { instances, records, bytes, max_bytes, .. } = self.lanes.standing();
        Process {
            instances,
            spool_records: records,
            spool_bytes: bytes,
            spool_max_bytes: max_bytes,
            refused_batches: self.counters.refused_batches.load(Ordering::Relaxed),
        }
    }
}

/// Reads an instance and spools what was read, until it is told to stop. Answers what another one may go on from.
pub(crate) async fn observe(mut this: Observation) -> (Watch, Schedule) {
    let spread = rand::random::<f64>();
    while let Some(next) = [this.schedule.next(), this.watch.next_database()].into_iter().flatten().min() {
        if let Some(at) = this.watch.next_sample().filter(|at| *at < next && next > Instant::now()) {
            let sample = async {
                tokio::time::sleep_until(at).await;
                this.watch.sample().await;
            };
            tokio::select! {
                () = sample => {}
                // It holds up nothing.
                () = tokio::time::sleep_until(next) => {}
                _ = this.stop.changed() => break,
            }
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            _ = this.stop.changed() => break,
        }
        if *this.stop.borrow() {
            break;
        }
        if lock(&this.shared).take_repeat() {
            this.schedule.owe(this.watch.forget_sent());
        }
        let mut due = this.schedule.take(Instant::now(), spread, |set| this.watch.factor(set));
        this.schedule.owe(leave_alone(&mut due.sets, |set| this.watch.is_read_alone(set)));
        let late = due.late.iter().map(|(_, cycles)| u64::from(*cycles)).sum();
        this.counters.late_cycles.fetch_add(late, Ordering::Relaxed);
        let baselines = lock(&this.shared).baselines();
        // It asks all lanes.
        if due.sets.iter().any(|set| set == own::PROCESS) {
            this.watch.tell_process(this.process());
        }
        this.watch.tell_skipped(&due.late);
        let reading = async {
            // Databases are read between the instance's own cycles, one at a time.
            if due.sets.is_empty() {
                this.watch.read_database(&baselines).await
            } else {
                Some(this.watch.cycle(&due.sets, &baselines).await)
            }
        };
        let cycle = tokio::select! {
            cycle = reading => cycle,
            // A cycle that is not spooled has not happened.
            _ = this.stop.changed() => {
                this.watch.interrupted();
                this.schedule.owe(due.sets);
                break;
            }
        };
        drop(baselines);
        let Some(cycle) = cycle else { continue };
        let shared = Arc::clone(&this.shared);
        let written = tokio::task::spawn_blocking(move || lock(&shared).commit(cycle)).await;
        match written {
            Ok(Ok(())) => this.wake.notify_one(),
            Ok(Err(error)) => {
                this.watch.not_spooled();
                // There is no batch that could tell it.
                this.wake.notify_one();
                tracing::error!(
                    instance.name = this.watch.name(),
                    error = format!("{error:#}"),
                    "a cycle was not spooled; the next one covers its time"
                );
            }
            Err(error) => tracing::error!(%error, "spooling ended early"),
        }
    }
    (this.watch, this.schedule)
}

/// Takes the sets that are to be read alone out of those that are due, until nothing else is; then all but the first.
fn leave_alone(due: &mut Vec<String>, is_read_alone: impl Fn(&str) -> bool) -> Vec<String> {
    let (alone, together): (Vec<String>, Vec<String>) =
        std::mem::take(due).into_iter().partition(|set| is_read_alone(set));
    let mut alone = alone.into_iter();
    *due = if together.is_empty() { alone.next().into_iter().collect() } else { together };
    alone.collect()
}

#[cfg(test)]
mod tests {
    use super::leave_alone;

    #[test]
    fn what_takes_its_time_waits_until_nothing_else_is_due() {
        let left = |sets: &[&str]| {
            let mut due = sets.iter().map(|set| (*set).to_owned()).collect();
            let owed = leave_alone(&mut due, |set| set.starts_with("x_"));
            (due.join(" "), owed.join(" "))
        };
        let both = |due: &str, owed: &str| (due.to_owned(), owed.to_owned());
        assert_eq!(left(&["a", "x_a", "b", "x_b"]), both("a b", "x_a x_b"));
        assert_eq!(left(&["x_a", "x_b", "x_c"]), both("x_a", "x_b x_c"), "one after the other");
        assert_eq!(left(&["a"]), both("a", ""));
        assert_eq!(left(&[]), both("", ""));
    }
}
