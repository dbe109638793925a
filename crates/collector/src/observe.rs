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

/// Reads an instance and spools what was read, until it is told to stop.
pub(crate) async fn observe(mut this: Observation) {
    let mut schedule = Schedule::new(this.watch.schedule(), Instant::now());
    let spread = rand::random::<f64>();
    while let Some(next) = [schedule.next(), this.watch.next_database()].into_iter().flatten().min() {
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            _ = this.stop.changed() => return,
        }
        if *this.stop.borrow() {
            return;
        }
        let repeats = lock(&this.shared).take_repeat();
        let mut hastened = if repeats { this.watch.forget_sent() } else { Vec::new() };
        let mut due = schedule.take(Instant::now(), spread, |set| this.watch.factor(set));
        hastened.retain(|set| !due.sets.contains(set));
        due.sets.extend(hastened);
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
            _ = this.stop.changed() => return,
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
}
