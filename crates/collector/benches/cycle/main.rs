//! What a cycle costs beside a bare client: `cargo bench -p collector --bench cycle`.
//!
//! ```text
//! this process ─ runs statements, so that every row moves ─► throw-away cluster
//!      │  └─ "cycle" ─► bare client:  reads the sets and throws the rows away ─┤
//!      └──── "cycle" ─► collector:    reads, forms increments, spools ─────────┤
//!      └──── scrape ──► postgres_exporter, where it is installed ──────────────┘
//! ```
//! Both clients are this binary once more, so that the kernel counts their processor time and memory
//! apart. Four tables: the instance's sets over more and more statements; those of a hundred instances; all sets of a
//! minute over many statements, tables and indexes; how long each set's statement takes at its default interval.
#![expect(clippy::print_stdout, reason = "a measurement is data")]

mod clients;
mod exporter;
mod load;
mod measure;
mod server;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use clients::{Cost, Measured, SET};
use exporter::Exporter;
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

/// How many instances one collector reads in the second table.
const INSTANCES: usize = 100;

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
        ["--child", "bare", dsn, instances] => runtime.block_on(clients::bare(dsn, instances.parse()?, None)),
        ["--child", "bare", dsn, instances, elsewhere] => {
            runtime.block_on(clients::bare(dsn, instances.parse()?, Some(elsewhere)))
        }
        ["--child", "collector", dsn, instances, state_dir] => {
            runtime.block_on(clients::collector(dsn, instances.parse()?, Path::new(state_dir), false))
        }
        ["--child", "collector", dsn, instances, state_dir, "all"] => {
            runtime.block_on(clients::collector(dsn, instances.parse()?, Path::new(state_dir), true))
        }
        _ => runtime.block_on(measure_all()),
    }
}

/// Measures and prints the four tables.
async fn measure_all() -> Result<()> {
    let options = PgOptions::default()
        .setting("pg_stat_statements.max", MAX_STATEMENTS)
        .setting("autovacuum", "off")
        .setting("max_connections", "300")
        .setting("track_io_timing", "on");
    let pg = Pg::start(options).await?;
    let client = pg.connect("postgres").await?;
    load::make_orders(&client).await?;
    for role in ROLES {
        run(&client, &format!("create role {role} superuser login")).await?;
    }
    println!("PostgreSQL {}; means of {CYCLES} cycles in each of which every row moved", pg.major());
    println!("\nThe instance's sets of {CYCLE_SECONDS} s and less. Load average: {}", load_average()?);
    println!("{}", head());
    let of = |statements: usize| Round { pg: &pg, client: &client, statements, instances: 1, work: None };
    for statements in STATEMENTS {
        println!("{statements:>10} | {}", line(&compare(&of(statements)).await?));
    }
    println!("\nThe same of {INSTANCES} instances. Load average: {}", load_average()?);
    println!("{}", head());
    let many = Round { instances: INSTANCES, ..of(STATEMENTS[0]) };
    println!("{:>10} | {}", many.statements, line(&compare(&many).await?));
    run(&client, &format!("create database {DATABASE}")).await?;
    let work = pg.connect(DATABASE).await?;
    load::make_tables(&work).await?;
    println!(
        "\nAll sets of {CYCLE_SECONDS} s and less, with {TABLES} tables and {INDEXES} indexes in another database. \
         Load average: {}",
        load_average()?
    );
    println!("{}", head());
    let compared = compare(&Round { work: Some(&work), ..of(MANY_STATEMENTS) }).await?;
    println!("{MANY_STATEMENTS:>10} | {}", line(&compared));
    for set in RELATION_SETS {
        println!("bytes/row of {set}: {:.1}", bytes_per_row(&compared.collector, set));
    }
    println!("\nThe statements of all sets at their default intervals. Load average: {}", load_average()?);
    server::statement_time(&pg, &client, &work, MANY_STATEMENTS).await?;
    println!("\nLoad average: {}", load_average()?);
    Ok(())
}

/// What is compared.
#[derive(Clone, Copy)]
struct Round<'a> {
    pg: &'a Pg,
    client: &'a Client,
    statements: usize,
    /// How many instances each client reads: one and the same, through so many connections.
    instances: usize,
    /// The connection to the database whose sets are read as well.
    work: Option<&'a Client>,
}

/// What each of them cost, and its statements' time on the server.
struct Compared {
    bare: Cost,
    collector: Cost,
    exporter: Option<Cost>,
    server_ms: [f64; 3],
}

/// The roles of the clients, so that the server tells their statements apart.
const ROLES: [&str; 3] = ["bench_bare", "bench_collector", "bench_exporter"];

/// Lets the clients do their cycles in turn. The exporter reads one instance, and no other database.
async fn compare(round: &Round<'_>) -> Result<Compared> {
    let Round { pg, client, statements, instances, work } = *round;
    run(client, "select pg_stat_statements_reset()").await?;
    let folder = tempfile::tempdir().context("make a state directory")?;
    let state_path = folder.path().to_string_lossy();
    let by = |role: usize, database: &str| pg.dsn(database).replace("user=postgres", &format!("user={}", ROLES[role]));
    let (elsewhere, count) = (by(0, DATABASE), instances.to_string());
    let (bare, collector) = (by(0, "postgres"), by(1, "postgres"));
    let mut of_bare = vec!["bare", &bare, &count];
    let mut of_collector = vec!["collector", &collector, &count, &state_path];
    if work.is_some() {
        of_bare.push(&elsewhere);
        of_collector.push("all");
    }
    let (mut bare, mut collector) = (Measured::start(&of_bare)?, Measured::start(&of_collector)?);
    let is_compared = instances == 1 && work.is_none();
    let mut exporter = if is_compared { Exporter::start(&by(2, "postgres"), folder.path()).await? } else { None };
    let mut server_before = [0.0; 3];
    for nth in 0..WARM_UP + CYCLES {
        if nth == WARM_UP {
            server_before = server_ms(client).await?;
        }
        load::run_statements(client, statements).await?;
        if let Some(work) = work {
            load::touch_tables(work).await?;
        }
        bare.cycle()?;
        collector.cycle()?;
        if let Some(exporter) = &mut exporter {
            exporter.cycle().await?;
        }
    }
    let after = server_ms(client).await?;
    let exporter = match exporter {
        Some(exporter) => Some(exporter.end(statements).await?),
        None => None,
    };
    let (bare, collector) = (bare.end()?, collector.end()?);
    let moved = |set: &str, rows: usize| {
        let seen = collector.sets.get(set).map_or(0, |(rows, _)| *rows);
        let least = (rows * instances) as u64 * u64::from(collector.cycles);
        ensure!(seen >= least, "rows of {set} did not move: {seen}");
        Ok(())
    };
    moved(SET, statements)?;
    if work.is_some() {
        moved(RELATION_SETS[0], TABLES)?;
        moved(RELATION_SETS[1], INDEXES)?;
    }
    let server_ms = std::array::from_fn(|role| (after[role] - server_before[role]) / CYCLES as f64);
    Ok(Compared { bare, collector, exporter, server_ms })
}

/// How long the statements of each role took so far.
async fn server_ms(client: &Client) -> Result<[f64; 3]> {
    let sql = "select coalesce(sum(s.total_exec_time), 0) from pg_stat_statements as s
               join pg_roles as r on r.oid = s.userid where r.rolname = $1";
    let mut times = [0.0; 3];
    for (time, role) in times.iter_mut().zip(ROLES) {
        *time = client.query_one(sql, &[&role]).await.context("ask for the statements' time")?.get(0);
    }
    Ok(times)
}

fn head() -> String {
    format!(
        "statements |   rows | processor ms: bare | collector | ratio | exporter | server ms: bare | collector | exporter | \
         MB: bare | collector | exporter | bytes/row of {SET} | of all | of gzip JSON | KB: batch | spool | scrape"
    )
}

fn line(compared: &Compared) -> String {
    let Compared { bare, collector, exporter, server_ms } = compared;
    let per_cycle = |total: u64, cost: &Cost| total as f64 / f64::from(cost.cycles);
    let ms = |cost: &Cost| cost.cpu_ms / f64::from(cost.cycles);
    let kilobytes = |total: u64, cost: &Cost| per_cycle(total, cost) / 1024.0;
    let of_exporter = |figure: &dyn Fn(&Cost) -> f64| match exporter {
        Some(cost) => format!("{:.1}", figure(cost)),
        None => "-".to_owned(),
    };
    format!(
        "{:>6.0} | {:>18.2} | {:>9.2} | {:>5.2} | {:>8} | {:>15.1} | {:>9.1} | {:>8} | {:>8.1} | {:>9.1} | {:>8} | {:>31.1} | \
         {:>6.1} | {:>11.0}% | {:>9.1} | {:>5.1} | {:>6}",
        per_cycle(collector.rows, collector),
        ms(bare),
        ms(collector),
        ms(collector) / ms(bare),
        of_exporter(&ms),
        server_ms[0],
        server_ms[1],
        of_exporter(&|_| server_ms[2]),
        megabytes(bare.peak_bytes),
        megabytes(collector.peak_bytes),
        of_exporter(&|cost| megabytes(cost.peak_bytes)),
        bytes_per_row(collector, SET),
        collector.batch_bytes as f64 / collector.rows as f64,
        collector.batch_bytes as f64 * 100.0 / collector.gzip_json_bytes as f64,
        kilobytes(collector.batch_bytes, collector),
        kilobytes(collector.spool_bytes, collector),
        of_exporter(&|cost| kilobytes(cost.batch_bytes, cost)),
    )
}

fn bytes_per_row(cost: &Cost, set: &str) -> f64 {
    cost.sets.get(set).map_or(f64::NAN, |(rows, bytes)| *bytes as f64 / *rows as f64)
}
