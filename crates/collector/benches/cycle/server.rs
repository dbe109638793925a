//! How long the statements of all sets take, and which share of a core that is at their intervals.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::{Catalog, Scope};
use collector::discovery;
use collector::identity::Identity;
use collector::session::Session;
use collector::watch::{Baselines, Cycle, Watch};
use testkit::Pg;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::WARM_UP;
use crate::clients::{configuration, refuse_failed, settings};
use crate::load::{run_statements, touch_tables};

/// How often every set is read and counted.
const READINGS: usize = 7;

/// How often the instance is asked who it is: with the sets that are read most often.
const IDENTITY_SECONDS: u32 = 10;

/// What was seen of one set, in each reading: milliseconds and rows, of all databases together.
type Seen = BTreeMap<String, Vec<(f64, usize)>>;

/// Reads every set several times and prints how long its statement takes, the most costly first.
pub(crate) async fn statement_time(pg: &Pg, main: &Client, work: &Client, statements: usize) -> Result<()> {
    let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
    let (instance, row_limit) = configuration(&catalog, &pg.dsn("postgres"), Path::new("/nowhere"), None)?;
    let mut watch = Watch::new(instance, Arc::clone(&catalog), row_limit);
    let sets: Vec<String> = watch.schedule().into_iter().map(|(set, _)| set).collect();
    let settings = settings(&catalog);
    let asking = Session::from(pg.connect("postgres").await?);
    let (mut seen, mut identity, mut baselines) = (Seen::new(), Vec::new(), Baselines::new());
    for nth in 0..WARM_UP + READINGS {
        run_statements(main, statements).await?;
        touch_tables(work).await?;
        let started = Instant::now();
        Identity::read(&asking, &settings).await?;
        let name = [(&discovery::EXTENSION as _, Type::TEXT)];
        main.query_typed_opt(discovery::SQL, &name).await.context("look for the extension")?;
        let asked = started.elapsed();
        let mut cycles = vec![watch.cycle(&sets, &baselines).await];
        cycles.append(&mut watch.read_databases(&baselines).await);
        if nth >= WARM_UP {
            identity.push((milliseconds(asked), 1));
            note(&catalog, &cycles, &mut seen);
        }
        for cycle in cycles {
            refuse_failed(&cycle)?;
            baselines.extend(cycle.next.into_iter().map(|(place, next)| (place, Arc::new(next))));
        }
    }
    let guards: Vec<&str> = catalog.sets().filter_map(|set| set.guard.as_deref()).collect();
    let mut lines = vec![line("(who the instance is)", IDENTITY_SECONDS, &identity)];
    for set in catalog.sets().filter(|set| matches!(set.definition.scope, Scope::Instance | Scope::Database)) {
        if let Some(readings) = seen.get(set.name()).filter(|_| !guards.contains(&set.name())) {
            lines.push(line(set.name(), set.interval_seconds, readings));
        }
    }
    lines.sort_by(|one, other| other.share.total_cmp(&one.share));
    println!("{:>24} | {:>6} | every s | statement ms | % of one core", "set", "rows");
    for line in &lines {
        let Line { name, seconds, rows, ms, share } = line;
        println!("{name:>24} | {rows:>6} | {seconds:>7} | {ms:>12.2} | {:>13.4}", share * 100.0);
    }
    let total: f64 = lines.iter().map(|line| line.share).sum();
    println!("{:>24} | {:>6} | {:>7} | {:>12} | {:>13.4}", "all", "", "", "", total * 100.0);
    Ok(())
}

struct Line {
    name: String,
    seconds: u32,
    rows: usize,
    ms: f64,
    share: f64,
}

/// The medians of a set's readings.
fn line(name: &str, seconds: u32, readings: &[(f64, usize)]) -> Line {
    let mut ms: Vec<f64> = readings.iter().map(|(ms, _)| *ms).collect();
    ms.sort_by(f64::total_cmp);
    let ms = ms[ms.len() / 2];
    let rows = readings.iter().map(|(_, rows)| *rows).max().unwrap_or(0);
    Line { name: name.to_owned(), seconds, rows, ms, share: ms / 1e3 / f64::from(seconds) }
}

/// Adds one reading of every set: what it took in all databases counts together.
fn note(catalog: &Catalog, cycles: &[Cycle], seen: &mut Seen) {
    // A set that was not read, as texts are when none is missing, took no time.
    let mut now: BTreeMap<&str, (f64, usize)> = catalog.sets().map(|set| (set.name(), (0.0, 0))).collect();
    for reading in cycles.iter().flat_map(|cycle| &cycle.readings) {
        now.entry(&reading.set).or_default().0 += milliseconds(Duration::from_micros(reading.duration_us));
    }
    for (place, next) in cycles.iter().flat_map(|cycle| &cycle.next) {
        now.entry(&place.set).or_default().1 += next.frame.rows;
    }
    for (set, reading) in now {
        seen.entry(set.to_owned()).or_default().push(reading);
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
