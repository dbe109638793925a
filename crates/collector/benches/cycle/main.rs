//! What a cycle costs beside a bare client: `cargo bench -p collector --bench cycle`.
//!
//! ```text
//! this process ─ runs statements, so that every row moves ─► throw-away cluster
//!      │  └─ "cycle" ─► bare client:  reads the sets and throws the rows away ─┤
//!      └──── "cycle" ─► collector:    reads, forms increments, spools ─────────┘
//! ```
//! Both clients are this binary once more, so that the kernel counts their processor time and memory
//! apart. Three tables: the instance's sets over more and more statements; all sets of a minute over
//! many statements, tables and indexes; how long each set's statement takes at its default interval.
#![expect(clippy::print_stdout, reason = "a measurement is data")]

mod clients;
mod load;
mod measure;
mod server;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use clients::{Cost, Measured, SET};
use load::{INDEXES, TABLES, run};
use measure::{load_average, megabytes};

/// How many distinct statements there are.
const STATEMENTS: [usize; 3] = [100, 1000, 5000];

/// How many there are where there are tables too.
const MANY_STATEMENTS: usize = 5000;

/// The interval of most sets; the bench reads those that have it, or a shorter one, in each cycle.
const CYCLE_SECONDS: u32 = 60;

/// Cycles that are not counted: the first reads baselines and texts.
const WARM_UP: usize = 3;

/// Cycles that are counted.
const CYCLES: usize = 20;

/// More than there are statements: none is evicted, and none is summed into "others".
const MAX_STATEMENTS: &str = "10000";

/// The database with the tables.
const DATABASE: &str = "accounts";

/// The sets with a row for each table, and for each index.
const RELATION_SETS: [&str; 2] = ["pg_stat_all_tables", "pg_stat_all_indexes"];

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--child", "bare", dsn] => runtime.block_on(clients::bare(dsn, None)),
        ["--child", "bare", dsn, elsewhere] => runtime.block_on(clients::bare(dsn, Some(elsewhere))),
        ["--child", "collector", dsn, state_dir] => {
            runtime.block_on(clients::collector(dsn, Path::new(state_dir), false))
        }
        ["--child", "collector", dsn, state_dir, "all"] => {
            runtime.block_on(clients::collector(dsn, Path::new(state_dir), true))
        }
        _ => runtime.block_on(measure_all()),
    }
}

/// Measures and prints the three tables.
async fn measure_all() -> Result<()> {
    let options = PgOptions::default()
        .setting("pg_stat_statements.max", MAX_STATEMENTS)
        .setting("autovacuum", "off")
        .setting("track_io_timing", "on");
    let pg = Pg::start(options).await?;
    let client = pg.connect("postgres").await?;
    load::make_orders(&client).await?;
    println!("PostgreSQL {}; means of {CYCLES} cycles in each of which every row moved", pg.major());
    println!("\nThe instance's sets of {CYCLE_SECONDS} s and less. Load average: {}", load_average()?);
    println!("{}", head());
    for statements in STATEMENTS {
        let (bare, collector) = compare(&pg, &client, statements, None).await?;
        println!("{statements:>10} | {}", line(&bare, &collector));
    }
    run(&client, &format!("create database {DATABASE}")).await?;
    let work = pg.connect(DATABASE).await?;
    load::make_tables(&work).await?;
    println!(
        "\nAll sets of {CYCLE_SECONDS} s and less, with {TABLES} tables and {INDEXES} indexes in another database. \
         Load average: {}",
        load_average()?
    );
    println!("{}", head());
    let (bare, collector) = compare(&pg, &client, MANY_STATEMENTS, Some(&work)).await?;
    println!("{MANY_STATEMENTS:>10} | {}", line(&bare, &collector));
    for set in RELATION_SETS {
        println!("bytes/row of {set}: {:.1}", bytes_per_row(&collector, set));
    }
    println!("\nThe statements of all sets at their default intervals. Load average: {}", load_average()?);
    server::statement_time(&pg, &client, &work, MANY_STATEMENTS).await?;
    println!("\nLoad average: {}", load_average()?);
    Ok(())
}

/// Lets both clients do their cycles side by side; with `work`, also those of the database that it is
/// connected to.
async fn compare(pg: &Pg, client: &Client, statements: usize, work: Option<&Client>) -> Result<(Cost, Cost)> {
    run(client, "select pg_stat_statements_reset()").await?;
    let state_dir = tempfile::tempdir().context("make a state directory")?;
    let (dsn, elsewhere, state_path) = (pg.dsn("postgres"), pg.dsn(DATABASE), state_dir.path().to_string_lossy());
    let mut of_bare = vec!["bare", &dsn];
    let mut of_collector = vec!["collector", &dsn, &state_path];
    if work.is_some() {
        of_bare.push(&elsewhere);
        of_collector.push("all");
    }
    let (mut bare, mut collector) = (Measured::start(&of_bare)?, Measured::start(&of_collector)?);
    for _ in 0..WARM_UP + CYCLES {
        load::run_statements(client, statements).await?;
        if let Some(work) = work {
            load::touch_tables(work).await?;
        }
        bare.cycle()?;
        collector.cycle()?;
    }
    let (bare, collector) = (bare.end()?, collector.end()?);
    let moved = |set: &str, rows: usize| {
        let seen = collector.sets.get(set).map_or(0, |(rows, _)| *rows);
        ensure!(seen >= rows as u64 * u64::from(collector.cycles), "rows of {set} did not move: {seen}");
        Ok(())
    };
    moved(SET, statements)?;
    if work.is_some() {
        moved(RELATION_SETS[0], TABLES)?;
        moved(RELATION_SETS[1], INDEXES)?;
    }
    Ok((bare, collector))
}

fn head() -> String {
    format!(
        "statements |   rows | bare ms | collector ms | ratio | bare MB | collector MB | bytes/row of {SET} | \
         bytes/row of all | spool KB"
    )
}

fn line(bare: &Cost, collector: &Cost) -> String {
    let per_cycle = |total: u64| total as f64 / f64::from(collector.cycles);
    let (bare_ms, collector_ms) =
        (bare.cpu_ms / f64::from(bare.cycles), collector.cpu_ms / f64::from(collector.cycles));
    format!(
        "{:>6.0} | {bare_ms:>7.2} | {collector_ms:>12.2} | {:>5.2} | {:>7.1} | {:>12.1} | {:>31.1} | {:>16.1} | {:>8.1}",
        per_cycle(collector.rows),
        collector_ms / bare_ms,
        megabytes(bare.peak_bytes),
        megabytes(collector.peak_bytes),
        bytes_per_row(collector, SET),
        collector.batch_bytes as f64 / collector.rows as f64,
        per_cycle(collector.spool_bytes) / 1024.0,
    )
}

fn bytes_per_row(cost: &Cost, set: &str) -> f64 {
    cost.sets.get(set).map_or(f64::NAN, |(rows, bytes)| *bytes as f64 / *rows as f64)
}
