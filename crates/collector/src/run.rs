//! The collector at work: a task per instance that reads into a spool of its own, and one that delivers from all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use config::Config;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::lanes::{Lanes, Standing};
use crate::own::Process;
use crate::push::{Counters, Pusher};
use crate::schedule::Schedule;
use crate::spool::Bounds;
use crate::state::{Shared, lock};
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
    let instances: Vec<&str> = config.instances.iter().map(|instance| instance.name.as_str()).collect();
    let lanes = Lanes::open(&config.state_dir, bounds, &instances, &catalog, &hostname)
        .with_context(|| format!("use state directory {}", config.state_dir.display()))?;
    let lanes = Arc::new(lanes);
    let wake = Arc::new(Notify::new());
    let counters = Arc::new(Counters::default());
    let pusher = Pusher {
        backend,
        lanes: Arc::clone(&lanes),
        catalog: Arc::clone(&catalog),
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
        let Some(lane) = lanes.lane_of(&instance.name) else { continue };
        let shared = Arc::clone(&lane.held);
        let clock = lock(&shared).clock().clone();
        let watch = Watch::new(instance, Arc::clone(&catalog), |setting| config.row_limit(setting)).with_clock(clock);
        tracing::info!(instance.name = watch.name(), "watching");
        watches.spawn(observe(Observation {
            watch,
            instances: config.instances.len() as u64,
            shared,
            lanes: Arc::clone(&lanes),
            counters: Arc::clone(&counters),
            wake: Arc::clone(&wake),
            stop: stop.clone(),
        }));
    }
    while watches.join_next().await.is_some() {}
    // Only a stop ends the watches; the delivery under way may still end well.
    if !*stop.borrow() {
        let _ = stop.changed().await;
    }
    let _ = tokio::time::timeout(LAST_DELIVERY, delivery).await;
    let mut last = Ok(());
    for lane in lanes.all() {
        // One that cannot be written leaves the others theirs.
        let written = lock(&lane.held).checkpoint();
        last = last.and(written);
    }
    last
}

struct Observation {
    watch: Watch,
    instances: u64,
    shared: Shared,
    lanes: Arc<Lanes>,
    counters: Arc<Counters>,
    wake: Arc<Notify>,
    stop: watch::Receiver<bool>,
}

impl Observation {
    /// What the process knows of itself.
    fn process(&self) -> Process {
        let Standing { records, bytes, max_bytes, .. } = self.lanes.standing();
        Process {
            instances: self.instances,
            spool_records: records,
            spool_bytes: bytes,
            spool_max_bytes: max_bytes,
            refused_batches: self.counters.refused_batches.load(Ordering::Relaxed),
        }
    }
}

async fn observe(mut this: Observation) {
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
        let mut due = schedule.take(Instant::now(), spread);
        hastened.retain(|set| !due.sets.contains(set));
        due.sets.extend(hastened);
        let late = due.late.iter().map(|(_, cycles)| u64::from(*cycles)).sum();
        this.counters.late_cycles.fetch_add(late, Ordering::Relaxed);
        let baselines = lock(&this.shared).baselines();
        this.watch.tell_own(this.process(), &due.late);
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
