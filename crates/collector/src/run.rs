//! The collector at work: a task per instance that reads, and one that delivers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use config::Config;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::own::Process;
use crate::push::{Counters, Pusher};
use crate::schedule::Schedule;
use crate::spool::Bounds;
use crate::state::{Held, Shared, lock};
use crate::watch::Watch;

/// How long a delivery under way may take after the collector was told to stop.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// Reads and delivers until `stop` says so.
///
/// # Errors
/// When the state directory cannot be used or the server's address is wrong.
pub async fn run(config: Config, catalog: Catalog, mut stop: watch::Receiver<bool>) -> Result<()> {
    let catalog = Arc::new(catalog);
    let hostname = hostname();
    let bounds = Bounds {
        max_bytes: config.spool_max_bytes,
        max_age_us: i64::try_from(config.spool_max_age.as_micros()).unwrap_or(i64::MAX),
    };
    let backend = Backend::new(&config)?;
    let held = Held::open(&config.state_dir, bounds, Arc::clone(&catalog), hostname.clone())
        .with_context(|| format!("use state directory {}", config.state_dir.display()))?;
    let clock = held.clock().clone();
    let shared: Shared = Arc::new(std::sync::Mutex::new(held));
    let wake = Arc::new(Notify::new());
    let generation = Arc::new(AtomicU64::new(0));
    let counters = Arc::new(Counters::default());
    let pusher = Pusher {
        backend,
        shared: Arc::clone(&shared),
        catalog: Arc::clone(&catalog),
        state_dir: config.state_dir.clone(),
        name: config.name.clone(),
        hostname,
        secret: config.registration_secret.clone(),
        interval: Duration::from_secs(u64::from(config.push_interval)),
        counters: Arc::clone(&counters),
        wake: Arc::clone(&wake),
    };
    let delivery = tokio::spawn(pusher.run(stop.clone()));
    let mut watches = JoinSet::new();
    for instance in config.instances.clone() {
        let watch =
            Watch::new(instance, Arc::clone(&catalog), |setting| config.row_limit(setting)).with_clock(clock.clone());
        tracing::info!(instance.name = watch.name(), "watching");
        watches.spawn(observe(Observation {
            watch,
            instances: config.instances.len() as u64,
            shared: Arc::clone(&shared),
            counters: Arc::clone(&counters),
            wake: Arc::clone(&wake),
            generation: Arc::clone(&generation),
            stop: stop.clone(),
        }));
    }
    while watches.join_next().await.is_some() {}
    // Only a stop ends the watches; the delivery under way may still end well.
    if !*stop.borrow() {
        let _ = stop.changed().await;
    }
    let _ = tokio::time::timeout(LAST_DELIVERY, delivery).await;
    lock(&shared).checkpoint()
}

struct Observation {
    watch: Watch,
    instances: u64,
    shared: Shared,
    counters: Arc<Counters>,
    wake: Arc<Notify>,
    generation: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
}

impl Observation {
    /// What the process knows of itself.
    fn process(&self, held: &Held) -> Process {
        Process {
            instances: self.instances,
            spool_records: held.spool.pending_len() as u64,
            spool_bytes: held.spool.pending_bytes(),
            spool_max_bytes: held.spool.max_bytes(),
            refused_batches: self.counters.refused_batches.load(Ordering::Relaxed),
        }
    }
}

async fn observe(mut this: Observation) {
    let mut schedule = Schedule::new(this.watch.schedule(), Instant::now());
    let spread = rand::random::<f64>();
    let mut seen_generation = 0;
    while let Some(next) = [schedule.next(), this.watch.next_database()].into_iter().flatten().min() {
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            _ = this.stop.changed() => return,
        }
        if *this.stop.borrow() {
            return;
        }
        if lock(&this.shared).take_repeat() {
            this.generation.fetch_add(1, Ordering::Relaxed);
        }
        let generation = this.generation.load(Ordering::Relaxed);
        let mut hastened = Vec::new();
        if generation != seen_generation {
            seen_generation = generation;
            hastened = this.watch.forget_sent();
        }
        let mut due = schedule.take(Instant::now(), spread);
        hastened.retain(|set| !due.sets.contains(set));
        due.sets.extend(hastened);
        let late = due.late.iter().map(|(_, cycles)| u64::from(*cycles)).sum();
        this.counters.late_cycles.fetch_add(late, Ordering::Relaxed);
        let (baselines, process) = {
            let held = lock(&this.shared);
            (held.baselines(), this.process(&held))
        };
        this.watch.tell_own(process, &due.late);
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

/// The machine's name.
#[must_use]
pub fn hostname() -> String {
    std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"))
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
