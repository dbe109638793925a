//! The collector at work. What it is to do is an assignment, which may change while it runs.
//!
//! ```text
//! assignment ─► supervisor ─► a task per instance, which reads ─► its lane ─► one that delivers
//! ```
//! Of a change only what it concerns is stopped and begins again: the baselines stay in the lanes, so that the first
//! reading goes on from the last one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use config::{Config, Instance, Pushed};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::custom::Held;
use crate::exposition::{self, Latest};
use crate::lanes::{self, Lane, Lanes};
use crate::observe::{Observation, observe};
use crate::push::{Counters, Pusher};
use crate::schedule::Schedule;
use crate::spool::Bounds;
use crate::state::lock;
use crate::watch::Watch;

/// How long a delivery under way may take after the collector was told to stop.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// What a collector is to do: one value, that never changes.
#[derive(Debug)]
pub struct Assignment {
    /// The configuration.
    pub config: Config,
    /// The sets.
    pub catalog: Arc<Catalog>,
    /// Sets that the server pushed and that are not read.
    pub held: Vec<Held>,
    /// What the server pushed of it.
    pub pushed: Option<Pushed>,
    /// Whether this stands in for something that is not known or cannot be followed: instances that it lacks may come back.
    pub stands_in: bool,
    /// Why this is not what the server wants; with the version that it pushed, where it is one.
    pub refused: Option<(Option<i64>, String)>,
}

/// Reads and delivers until `stop` says so, always as the newest assignment has it. The server is told what stands in
/// `counters`, where whoever assigns notes what was refused before it came here.
///
/// # Errors
/// When the state directory cannot be used or the server's address is wrong.
pub async fn run(
    mut assignments: watch::Receiver<Arc<Assignment>>,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let mut supervisor = Supervisor::begin(Arc::clone(&assignments.borrow_and_update()), Arc::clone(&counters))?;
    counters.note_followed(&supervisor.assignment);
    let follow = async {
        // Whoever assigns may be gone: then it stays as it is.
        while assignments.changed().await.is_ok() {
            let next = Arc::clone(&assignments.borrow_and_update());
            let followed = supervisor.change(Arc::clone(&next)).await;
            if followed.is_ok() {
                counters.note_followed(&next);
            }
            if let Err(error) = followed {
                counters.note_not_followed(next.config.pushed, &error);
                tracing::error!(
                    error = format!("{error:#}"),
                    "the configuration is not followed; the one so far stays in force"
                );
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = follow => {}
    }
    supervisor.end().await
}

/// A task that can be told to stop.
struct Running<T = ()> {
    stop: watch::Sender<bool>,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Running<T> {
    fn start<F: Future<Output = T> + Send + 'static>(work: impl FnOnce(watch::Receiver<bool>) -> F) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Waits until it has stopped, at most so long; what it leaves, if it ended in order.
    async fn end(self, within: Option<Duration>) -> Option<T> {
        // It may have ended by itself.
        let _ = self.stop.send(true);
        let abort = self.task.abort_handle();
        let Some(within) = within else { return self.task.await.ok() };
        match tokio::time::timeout(within, self.task).await {
            Ok(ended) => ended.ok(),
            Err(_) => {
                abort.abort();
                None
            }
        }
    }
}

/// What a watch that ended leaves for the next one of its instance.
type Left = (Watch, Schedule);

/// What decides how an instance is read.
#[derive(PartialEq)]
struct Watched {
    instance: Instance,
    row_limits: Vec<Option<u32>>,
    held: Vec<Held>,
}

/// Keeps the tasks as the assignment has them.
struct Supervisor {
    assignment: Arc<Assignment>,
    lanes: Arc<Lanes>,
    counters: Arc<Counters>,
    wake: Arc<Notify>,
    /// The way to the server that the delivery goes.
    backend: Backend,
    watches: BTreeMap<String, (Watched, Running<Left>)>,
    delivery: Option<Running>,
    latest: Arc<Latest>,
    shows: Option<Running>,
}

impl Supervisor {
    fn begin(assignment: Arc<Assignment>, counters: Arc<Counters>) -> Result<Self> {
        let config = &assignment.config;
        let backend = Backend::new(config)?;
        let lanes = Lanes::open(
            &config.state_dir,
            bounds(config),
            &borrowed(&names(&assignment)),
            &assignment.catalog,
            &hostname(),
        );
        let lanes = lanes.with_context(|| format!("use state directory {}", config.state_dir.display()))?;
        let (lanes, wake) = (Arc::new(lanes), Arc::new(Notify::new()));
        let delivery = Some(deliver(&assignment, backend.clone(), &lanes, &counters, &wake));
        let latest = Arc::<Latest>::default();
        let shows = show(&assignment, &latest);
        let watches = BTreeMap::new();
        let mut supervisor = Self { assignment, lanes, counters, wake, backend, watches, delivery, latest, shows };
        supervisor.start_missing(BTreeMap::new());
        Ok(supervisor)
    }

    /// Follows another assignment, whole or not at all.
    async fn change(&mut self, next: Arc<Assignment>) -> Result<()> {
        let (before, config) = (Arc::clone(&self.assignment), &next.config);
        if config.state_dir != before.config.state_dir {
            bail!("state_dir cannot be changed while the collector runs: restart it");
        }
        let backend = Backend::new(config)?;
        let has_new_catalog = next.catalog != before.catalog;
        let is_as_before = |name: &str, watched: &Watched| {
            let instance = config.instances.iter().find(|instance| instance.name == name);
            !has_new_catalog && instance.is_some_and(|instance| watched_as(&next, instance) == *watched)
        };
        let changed: Vec<String> = self
            .watches
            .iter()
            .filter(|(name, (watched, _))| !is_as_before(name, watched))
            .map(|(name, _)| name.clone())
            .collect();
        let mut left = BTreeMap::new();
        for name in &changed {
            if let Some((_, running)) = self.watches.remove(name) {
                left.extend(running.end(None).await.map(|ended| (name.clone(), ended)));
                tracing::info!(instance.name = name, "no longer watched as before");
            }
        }
        // Nobody writes any more to what is to be delivered and removed.
        if let Err(error) = self.lanes.assign(&borrowed(&names(&next))) {
            self.start_missing(left);
            return Err(error.context("make a spool"));
        }
        self.lanes.bound(bounds(config));
        if has_new_catalog {
            self.lanes.learn(&next.catalog);
        }
        // A file of authorities may be another one under its name.
        let goes_alike = delivers_alike(config, &before.config) && backend.trusts_as(&self.backend);
        if has_new_catalog || !goes_alike {
            if let Some(delivery) = self.delivery.take() {
                delivery.end(Some(LAST_DELIVERY)).await;
            }
            self.backend = backend.clone();
            self.delivery = Some(deliver(&next, backend, &self.lanes, &self.counters, &self.wake));
        }
        let is_watched = |name: &str| config.instances.iter().any(|instance| instance.name == name);
        self.latest.retain(is_watched);
        if has_new_catalog || !shows_alike(config, &before.config) {
            if let Some(shows) = self.shows.take() {
                shows.end(None).await;
            }
            self.shows = show(&next, &self.latest);
        }
        self.assignment = next;
        let as_before = self.watches.len();
        self.start_missing(left);
        let begun = self.watches.len() - as_before;
        tracing::info!(as_before, begun, ended = changed.len(), "another configuration is in force");
        Ok(())
    }

    /// Watches the instances that are not watched yet, each going on from what the last watch of it left.
    fn start_missing(&mut self, mut left: BTreeMap<String, Left>) {
        for instance in &self.assignment.config.instances {
            if self.watches.contains_key(&instance.name) {
                continue;
            }
            if let Some(lane) = self.lanes.lane_of(&instance.name) {
                let running = self.watch(instance, &lane, left.remove(&instance.name));
                self.watches.insert(instance.name.clone(), (watched_as(&self.assignment, instance), running));
            }
        }
    }

    fn watch(&self, instance: &Instance, lane: &Lane, left: Option<Left>) -> Running<Left> {
        let (config, catalog) = (&self.assignment.config, Arc::clone(&self.assignment.catalog));
        let shared = Arc::clone(&lane.held);
        let clock = lock(&shared).clock().clone();
        let watch = Watch::new(instance.clone(), catalog, |setting| config.row_limit(setting));
        let held = self.assignment.held.iter().map(Held::state).collect();
        let mut watch = watch.with_clock(clock).shown_in(Arc::clone(&self.latest)).beside(held);
        let mut schedule = Schedule::new(watch.schedule(), Instant::now());
        if let Some((before, last)) = left {
            let as_before;
            (watch, as_before) = watch.going_on(before);
            schedule = schedule.going_on(&last, |set| as_before.contains(set));
            // What is read otherwise from now on is shown when it was.
            self.latest.retain_sets(&instance.name, |set| as_before.contains(set) && watch.reads(set));
        }
        tracing::info!(instance.name = watch.name(), "watching");
        let (lanes, counters, wake) = (Arc::clone(&self.lanes), Arc::clone(&self.counters), Arc::clone(&self.wake));
        Running::start(|stop| observe(Observation { watch, schedule, shared, lanes, counters, wake, stop }))
    }

    async fn end(self) -> Result<()> {
        for (_, running) in self.watches.values() {
            // All at once; whoever does not listen has ended.
            let _ = running.stop.send(true);
        }
        for (_, running) in self.watches.into_values() {
            running.end(None).await;
        }
        if let Some(shows) = self.shows {
            shows.end(None).await;
        }
        // The delivery under way may still end well.
        if let Some(delivery) = self.delivery {
            delivery.end(Some(LAST_DELIVERY)).await;
        }
        let mut last = Ok(());
        for lane in self.lanes.all() {
            // One that cannot be written leaves the others theirs.
            let written = lock(&lane.held).checkpoint();
            last = last.and(written);
        }
        last
    }
}

fn deliver(
    assignment: &Assignment,
    backend: Backend,
    lanes: &Arc<Lanes>,
    counters: &Arc<Counters>,
    wake: &Arc<Notify>,
) -> Running {
    let config = &assignment.config;
    let pusher = Pusher {
        backend,
        lanes: Arc::clone(lanes),
        catalog: Arc::clone(&assignment.catalog),
        name: config.name.clone(),
        hostname: hostname(),
        secret: config.registration_secret.clone(),
        interval: Duration::from_secs(u64::from(config.push_interval)),
        counters: Arc::clone(counters),
        wake: Arc::clone(wake),
    };
    Running::start(|stop| pusher.run(stop))
}

/// Shows readings to whoever scrapes, where that is asked for.
fn show(assignment: &Assignment, latest: &Arc<Latest>) -> Option<Running> {
    let config = &assignment.config;
    latest.ask(config.listen.is_some());
    let (at, catalog, exclude) = (config.listen?, Arc::clone(&assignment.catalog), config.listen_exclude.clone());
    let latest = Arc::clone(latest);
    Some(Running::start(move |stop| exposition::show(at, latest, catalog, exclude, stop)))
}

/// Whether two configurations say the same of how readings are shown.
fn shows_alike(one: &Config, other: &Config) -> bool {
    (one.listen, &one.listen_exclude) == (other.listen, &other.listen_exclude)
}

/// Whether two configurations say the same of how to deliver.
fn delivers_alike(one: &Config, other: &Config) -> bool {
    let of = |config: &Config| {
        let url = config.backend_url.as_ref().map(|url| url.text.clone());
        let tls = (config.tls_verify, config.tls_ca_file.clone());
        (url, tls, config.registration_secret.clone(), config.name.clone(), config.push_interval)
    };
    of(one) == of(other)
}

fn watched_as(assignment: &Assignment, instance: &Instance) -> Watched {
    let limits = assignment.catalog.sets().filter_map(|set| set.limit.as_ref());
    let row_limits = limits.map(|limit| assignment.config.row_limit(&limit.setting)).collect();
    Watched { instance: instance.clone(), row_limits, held: assignment.held.clone() }
}

/// The instances whose lanes are kept.
fn names(assignment: &Assignment) -> Vec<String> {
    let config = &assignment.config;
    let mut names: Vec<String> = config.instances.iter().map(|instance| instance.name.clone()).collect();
    if assignment.stands_in {
        names.extend(
            lanes::watched(&config.state_dir)
                .into_iter()
                .filter(|name| !config.instances.iter().any(|instance| instance.name == *name)),
        );
    }
    names
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn bounds(config: &Config) -> Bounds {
    let max_age_us = i64::try_from(config.spool_max_age.as_micros()).unwrap_or(i64::MAX);
    Bounds { max_bytes: config.spool_max_bytes, max_age_us }
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
