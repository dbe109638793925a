//! `pganalytics load`: simulated collectors against a real server, to see what it bears and that it loses nothing.
//!
//! ```text
//! arguments ─► plan (what is read when, from the seed) ─► collectors ─► HTTP ─► server ─► store
//!                     └────────────── sums of what was acknowledged ─── compare ───────────┘
//! ```
//! Each collector is one instance, with a real registration and token, and the batches that a real one sends. What it
//! sent is kept as sums by collector and set; a batch that is sent again, or compared at the end, is made anew.

mod arguments;
mod cleanup;
mod collector;
mod compare;
mod counted;
mod plan;
mod progress;
mod report;
mod resources;
mod spool;
mod stored;
mod sums;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;

use ::collector::backend::Backend;
use ::collector::state::Registration;
use anyhow::{Context, Result};
use catalog::Catalog;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) use arguments::LoadArguments;
use collector::{Delivered, Shared, now_us};
use counted::{Counted, get};
use plan::Plan;
use report::{Compared, Report};
use resources::Measured;
use stored::Store;

use crate::collector_commands::stop_signal;
use crate::output;

/// The exit code of wrong usage.
const WRONG_USAGE: u8 = 2;

/// Runs a load and reports.
pub(crate) fn run(arguments: LoadArguments) -> Result<ExitCode> {
    if let Some(wrong) = arguments.contradiction() {
        output::progress(&format!("error: {wrong}"));
        return Ok(ExitCode::from(WRONG_USAGE));
    }
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let report = runtime.block_on(load(&arguments))?;
    if arguments.json {
        output::data(&serde_json::to_string_pretty(&report).context("write the report")?);
    } else {
        output::data(&report.text());
    }
    let faults = report.faults();
    for fault in &faults {
        output::progress(&format!("pganalytics: {fault}"));
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn load(arguments: &LoadArguments) -> Result<Report> {
    let stop = stop_signal(true).context("listen for signals")?;
    let catalog = Catalog::embedded().context("read the embedded catalogue")?;
    let store = match &arguments.store_url {
        Some(url) => Some(Store::open(url).await?),
        None => None,
    };
    let backend = Backend::at(&arguments.url)?;
    // Better told now than by every collector.
    backend.probe(None, Some(&arguments.registration_secret)).await?;
    let mut administrator = match (arguments.cleanup, &arguments.user, &arguments.password) {
        (true, Some(user), Some(password)) => {
            let signed_in = cleanup::Administrator::sign_in(&arguments.url.text, user, password).await;
            Some(signed_in.context("prepare --cleanup")?)
        }
        _ => None,
    };
    let counted = Counted::new().context("make a histogram")?;
    let connections = Semaphore::new(arguments.connections as usize);
    let names = Plan::new(arguments, &catalog, now_us())?;

    let registered = {
        let all = register_all(arguments, &names, &backend, &connections, &counted, stop.clone());
        tokio::select! {
            all = all => all,
            () = progress::show(&counted, "registering", arguments.collectors) => Vec::new(),
        }
    };
    progress::end();

    let began = Instant::now();
    let plan = Plan::new(arguments, &catalog, now_us())?;
    let shared = Arc::new(Shared {
        plan,
        backend,
        connections,
        most_connections: arguments.connections,
        batches_per_request: arguments.batches_per_request.into(),
        counted,
        deadline: began + arguments.duration + arguments.grace,
    });
    let (ended, is_over) = watch::channel(false);
    let deliver = async {
        let delivered = deliver_all(&shared, registered, &stop).await;
        let seconds = began.elapsed().as_secs_f64();
        // Whoever looks may have ended.
        let _ = ended.send(true);
        (delivered, seconds)
    };
    let work = async { tokio::join!(deliver, resources::watch(arguments.server_pid, store.as_ref(), is_over)) };
    let ((delivered, seconds), (server, backends)) = tokio::select! {
        done = work => done,
        () = progress::show(&shared.counted, "delivering", arguments.collectors) => {
            ((Vec::new(), 0.0), (Measured::not("it ended"), Measured::not("it ended")))
        }
    };
    progress::end();

    let comparison = match &store {
        Some(store) => match compare::compare(store, &shared.plan, &delivered, get(&shared.counted.longest_us)).await {
            Ok(comparison) => Compared::With(comparison),
            Err(error) => Compared::Failed { comparison_failed: format!("{error:#}") },
        },
        None => Compared::Not { not_compared: "--store-url is not given".to_owned() },
    };
    let cleanup = clean_up(arguments, administrator.as_mut(), &delivered).await;
    Ok(report(
        arguments,
        &shared.counted,
        &delivered,
        Ended { seconds, early: *stop.borrow() },
        Found { server, backends, comparison, cleanup },
    ))
}

/// Registers all at once, as far as there are connections.
async fn register_all(
    arguments: &LoadArguments,
    plan: &Plan,
    backend: &Backend,
    connections: &Semaphore,
    counted: &Counted,
    mut stop: watch::Receiver<bool>,
) -> Vec<(u32, Registration)> {
    let deadline = Instant::now() + arguments.duration + arguments.grace;
    let names: Vec<String> = (0..arguments.collectors).map(|nth| plan.name(nth)).collect();
    let one = async |nth: u32, name: &String| {
        let secret = &arguments.registration_secret;
        Some((nth, collector::register(backend, connections, counted, name, secret, deadline).await?))
    };
    let all = futures_util::future::join_all((0..).zip(&names).map(|(nth, name)| one(nth, name)));
    tokio::select! {
        all = all => all.into_iter().flatten().collect(),
        _ = stop.wait_for(|stop| *stop) => Vec::new(),
    }
}

async fn deliver_all(
    shared: &Arc<Shared>,
    registered: Vec<(u32, Registration)>,
    stop: &watch::Receiver<bool>,
) -> Vec<Delivered> {
    let mut running = JoinSet::new();
    for (nth, registration) in registered {
        running.spawn(collector::run(Arc::clone(shared), nth, registration, stop.clone()));
    }
    let mut delivered = running.join_all().await;
    delivered.sort_by_key(|one| one.collector);
    delivered
}

/// What becomes of the collectors that were registered, or why they could not be removed.
async fn clean_up(
    arguments: &LoadArguments,
    administrator: Option<&mut cleanup::Administrator>,
    delivered: &[Delivered],
) -> Result<String, String> {
    let ids: Vec<_> = delivered.iter().map(|one| one.id).collect();
    let (Some(first), Some(last)) = (delivered.first(), delivered.last()) else {
        return Ok("no collector is registered".to_owned());
    };
    let (seed, first, last) = (arguments.seed, first.collector, last.collector);
    let names = format!("{} collectors of load-{seed}-{first} to load-{seed}-{last}", ids.len());
    let Some(administrator) = administrator else {
        return Ok(format!(
            "{names} stay registered; --cleanup removes those of its own run, DELETE /api/v1/collectors/{{id}} any"
        ));
    };
    match administrator.remove(&ids).await {
        Ok(removed) => Ok(format!("{removed} collectors removed; what they delivered stays")),
        Err(error) => Err(format!("not all of {names} were removed: {error:#}")),
    }
}

/// When a load ended, and why.
struct Ended {
    seconds: f64,
    early: bool,
}

/// What was found beside what was counted.
struct Found {
    server: Measured,
    backends: Measured,
    comparison: Compared,
    cleanup: Result<String, String>,
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn report(arguments: &LoadArguments, counted: &Counted, delivered: &[Delivered], ended: Ended, found: Found) -> Report {
    let (ack_ms, delivery_ms) = counted.latencies();
    let rows_stored = match &found.comparison {
        Compared::With(comparison) => Some(comparison.rows_stored),
        Compared::Not { .. } | Compared::Failed { .. } => None,
    };
    Report {
        url: arguments.url.text.clone(),
        seed: arguments.seed,
        collectors: arguments.collectors,
        registered: get(&counted.registered),
        statements: arguments.statements,
        interval_seconds: arguments.interval.as_secs_f64(),
        seconds: ended.seconds,
        ended_early: ended.early,
        requests: get(&counted.requests),
        batches: get(&counted.batches),
        batches_acknowledged: get(&counted.batches_acknowledged),
        batches_unacknowledged: delivered.iter().map(|one| one.unacknowledged).sum(),
        batches_refused: get(&counted.refused),
        sent_twice: get(&counted.sent_twice),
        duplicates: get(&counted.duplicates),
        rows_sent: get(&counted.rows),
        rows_acknowledged: get(&counted.rows_acknowledged),
        rows_rejected: get(&counted.rows_rejected),
        rows_stored,
        rows_per_second: get(&counted.rows_acknowledged) as f64 / ended.seconds.max(0.001),
        ack_ms,
        delivery_ms,
        answers: counted.words(),
        server: found.server,
        store: found.backends,
        comparison: found.comparison,
        has_cleaned_up: found.cleanup.is_ok(),
        cleanup: found.cleanup.unwrap_or_else(|why| why),
    }
}

/// As many connections as the system allows.
fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        output::progress(&format!("pganalytics: the limit of open files stays at {soft}: {error}"));
    }
}
