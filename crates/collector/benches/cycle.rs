//! What a cycle costs beside a bare client: `cargo bench -p collector --bench cycle`.
//!
//! ```text
//! this process ─ runs statements, so that every row moves ─► throw-away cluster
//!      │  └─ "cycle" ─► bare client:  reads the sets and throws the rows away ─┤
//!      └──── "cycle" ─► collector:    reads, forms increments, spools ─────────┘
//! ```
//! Both clients are this binary once more, each with one thread, so that the kernel counts their
//! processor time and memory apart.
#![expect(clippy::print_stdout, reason = "a measurement is data")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use catalog::{Catalog, SetKind};
use collector::coverage::{self, Extension, Known};
use collector::discovery;
use collector::identity::{self, Identity};
use collector::spool::Bounds;
use collector::state::{Held, lock};
use collector::watch::Watch;
use config::{Config, Names};
use futures_util::{StreamExt, pin_mut};
use nix::sys::resource::{UsageWho, getrusage};
use prost::Message;
use serde::{Deserialize, Serialize};
use testkit::{Pg, PgOptions};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};
use wire::Batch;

/// How many distinct statements there are.
const STATEMENTS: [usize; 3] = [100, 1000, 5000];

/// The interval of most sets; the bench reads those that have it, or a shorter one, in each cycle.
const CYCLE_SECONDS: u32 = 60;

/// Cycles that are not counted: the first reads baselines and texts.
const WARM_UP: usize = 3;

/// Cycles that are counted.
const CYCLES: usize = 20;

/// More than there are statements: none is evicted, and none is summed into "others".
const MAX_STATEMENTS: &str = "10000";

/// Statements that travel in one message.
const TOGETHER: usize = 200;

/// The set that has a row for each statement.
const SET: &str = "pg_stat_statements";

/// The most that a batch unfolds to.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// Functions from a small range of numbers into a small range of numbers.
const FUNCTIONS: [&str; 11] = ["abs", "cbrt", "ceil", "floor", "round", "sign", "sin", "cos", "atan", "tanh", "trunc"];

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--child", "bare", dsn] => runtime.block_on(bare(dsn)),
        ["--child", "collector", dsn, state_dir] => runtime.block_on(collector(dsn, Path::new(state_dir))),
        _ => runtime.block_on(compare()),
    }
}

/// What a client cost, and what the collector left behind.
#[derive(Default, Serialize, Deserialize)]
struct Cost {
    cycles: u32,
    cpu_ms: f64,
    peak_bytes: u64,
    spool_bytes: u64,
    batch_bytes: u64,
    rows: u64,
    /// Rows of [`SET`].
    set_rows: u64,
    /// The bytes of a batch of nothing but [`SET`].
    set_bytes: u64,
}

/// Measures both clients over each number of statements and prints a table.
async fn compare() -> Result<()> {
    let options = PgOptions::default()
        .setting("pg_stat_statements.max", MAX_STATEMENTS)
        .setting("autovacuum", "off")
        .setting("track_io_timing", "on");
    let pg = Pg::start(options).await?;
    let client = pg.connect("postgres").await?;
    run(&client, "create table orders (id int primary key, amount float8 not null, note text not null)").await?;
    run(&client, "insert into orders select n, n % 7, repeat('x', 200) from generate_series(1, 10000) n").await?;
    run(&client, "analyze orders").await?;
    println!(
        "a cycle of the sets of {CYCLE_SECONDS} s and less on PostgreSQL {}; means of {CYCLES} cycles in each of which every row moved",
        pg.major()
    );
    println!("load average: {}", load()?);
    println!(
        "statements |   rows | bare ms | collector ms | ratio | bare MB | collector MB | bytes/row of {SET} | \
         bytes/row of all | spool KB"
    );
    for statements in STATEMENTS {
        run(&client, "select pg_stat_statements_reset()").await?;
        let state_dir = tempfile::tempdir().context("make a state directory")?;
        let dsn = pg.dsn("postgres");
        let mut bare = Process::start(&["bare", &dsn])?;
        let mut collector = Process::start(&["collector", &dsn, &state_dir.path().to_string_lossy()])?;
        for _ in 0..WARM_UP + CYCLES {
            work(&client, statements).await?;
            bare.cycle()?;
            collector.cycle()?;
        }
        let (bare, collector) = (bare.end()?, collector.end()?);
        ensure!(collector.set_rows as usize >= statements * collector.cycles as usize, "rows did not move");
        let per_cycle = |total: u64| total as f64 / f64::from(collector.cycles);
        let (bare_ms, collector_ms) =
            (bare.cpu_ms / f64::from(bare.cycles), collector.cpu_ms / f64::from(collector.cycles));
        println!(
            "{statements:>10} | {:>6.0} | {bare_ms:>7.2} | {collector_ms:>12.2} | {:>5.2} | {:>7.1} | {:>12.1} | {:>31.1} | {:>16.1} | {:>8.1}",
            per_cycle(collector.set_rows),
            collector_ms / bare_ms,
            megabytes(bare.peak_bytes),
            megabytes(collector.peak_bytes),
            collector.set_bytes as f64 / collector.set_rows as f64,
            collector.batch_bytes as f64 / collector.rows as f64,
            per_cycle(collector.spool_bytes) / 1024.0,
        );
    }
    println!("load average: {}", load()?);
    Ok(())
}

/// The `n`th statement: a quarter each touches no table, reads one, makes rows, and writes.
fn statement(n: usize) -> String {
    let of = |n: usize| FUNCTIONS[n % FUNCTIONS.len()];
    let kind = n / 4;
    let value = |inner: &str| format!("{}({}({}({inner})))", of(kind), of(kind / 11), of(kind / 121));
    match n % 4 {
        0 => format!("select {}", value("0.5::float8")),
        1 => format!("select {} from orders where id = 42", value("amount")),
        2 => format!("select sum({}) from generate_series(1, 100) n", value("n")),
        _ => format!("update orders set amount = {} where id = 42", value("0.5::float8")),
    }
}

/// Runs every statement, each one, two or three times.
async fn work(client: &Client, statements: usize) -> Result<()> {
    let mut together = Vec::new();
    for n in 0..statements {
        together.extend(std::iter::repeat_n(statement(n), 1 + n % 3));
        if together.len() >= TOGETHER || n + 1 == statements {
            run(client, &together.join(";")).await?;
            together.clear();
        }
    }
    Ok(())
}

async fn run(client: &Client, sql: &str) -> Result<()> {
    client.simple_query(sql).await.with_context(|| format!("run {sql}"))?;
    Ok(())
}

/// One of the two clients.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe().context("find this binary")?)
            .arg("--child")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a client")?;
        let input = child.stdin.take().context("write to the client")?;
        let output = BufReader::new(child.stdout.take().context("read from the client")?);
        Ok(Self { child, input, output })
    }

    /// Lets it do one cycle and waits until it has.
    fn cycle(&mut self) -> Result<()> {
        self.input.write_all(b"cycle\n").context("ask for a cycle")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer).context("wait for a cycle")?;
        ensure!(answer == "done\n", "the client ended early");
        Ok(())
    }

    fn end(mut self) -> Result<Cost> {
        drop(self.input);
        let mut answer = String::new();
        self.output.read_line(&mut answer).context("wait for the cost")?;
        ensure!(self.child.wait().context("wait for the client")?.success(), "the client failed");
        serde_json::from_str(&answer).context("understand the cost")
    }
}

/// Waits for the next cycle; false when there is none.
fn next_cycle() -> Result<bool> {
    let mut line = String::new();
    Ok(std::io::stdin().lock().read_line(&mut line).context("wait for the next cycle")? > 0)
}

/// The bare client: the statements that the collector runs in a cycle, and nothing kept.
async fn bare(dsn: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.context("connect")?;
    let connection = tokio::spawn(connection);
    let (statements, settings) = statements(dsn, &client).await?;
    let (mut cost, mut nth) = (Cost::default(), 0);
    while next_cycle()? {
        let before = cpu_ms()?;
        Identity::read(&client, &settings).await.context("ask who the instance is")?;
        let names = [(&discovery::EXTENSION as _, Type::TEXT), (&discovery::UTF8 as _, Type::TEXT)];
        client.query_typed_opt(discovery::SQL, &names).await.context("look for the extension")?;
        for sql in &statements {
            let none: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 0] = [];
            let rows = client.query_typed_raw(sql, none).await.context("run a set's statement")?;
            pin_mut!(rows);
            while let Some(row) = rows.next().await {
                drop(row.context("read a row")?);
            }
        }
        nth += 1;
        if nth > WARM_UP {
            cost.cycles += 1;
            cost.cpu_ms += cpu_ms()? - before;
        }
        println!("done");
    }
    cost.peak_bytes = peak_bytes()?;
    println!("{}", serde_json::to_string(&cost)?);
    drop(client);
    connection.await.context("end the connection")?.context("close the connection")
}

/// What the collector runs in a cycle in which no text is missing: each set's statement, between
/// two of its guard's where it has one; and the settings that it asks for with the identity.
async fn statements(dsn: &str, client: &Client) -> Result<(Vec<String>, Vec<String>)> {
    let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
    let (config, row_limit) = configuration(dsn, Path::new("/nowhere"))?;
    let watch = Watch::new(config, Arc::clone(&catalog), row_limit);
    let settings: Vec<String> = catalog
        .sets()
        .flat_map(|set| &set.definition.columns)
        .filter_map(|column| column.requires_setting.clone())
        .chain(identity::SETTINGS.map(str::to_owned))
        .collect();
    let identity = Identity::read(client, &settings).await?;
    let grants = identity::grants(client).await?;
    let version: String = client
        .query_one("select extversion from pg_extension where extname = $1", &[&SET])
        .await
        .context("find the extension")?
        .get(0);
    let version = version.parse().map_err(|_| anyhow::anyhow!("version {version} of the extension"))?;
    let extension = Extension { database: "postgres".to_owned(), version, schema: "public".to_owned() };
    let known = Known { identity: &identity, grants: Some(&grants), extension: Some(&extension) };
    let plans = coverage::plan(&catalog, known, |_, _| true);
    let sql_of = |name: &str| plans.iter().find(|plan| plan.set.name() == name).and_then(|plan| plan.sql.clone());
    let scheduled: HashSet<String> = sets(&watch).into_iter().collect();
    let mut statements = Vec::new();
    for plan in plans.iter().filter(|plan| scheduled.contains(plan.set.name())) {
        let figures = plan.set.definition.kind() != SetKind::Texts;
        let Some(sql) = plan.sql.clone().filter(|_| figures) else { continue };
        let guard = plan.set.guard.as_deref().and_then(sql_of);
        statements.extend(guard.iter().cloned().chain([sql]).chain(guard.clone()));
    }
    Ok((statements, settings))
}

/// The sets of a cycle: those that are read once a minute or more often.
fn sets(watch: &Watch) -> Vec<String> {
    watch.schedule().into_iter().filter(|(_, seconds)| *seconds <= CYCLE_SECONDS).map(|(set, _)| set).collect()
}

type RowLimit = Box<dyn Fn(&str) -> Option<u32>>;

/// One instance, as the collector's configuration file says it.
fn configuration(dsn: &str, state_dir: &Path) -> Result<(config::Instance, RowLimit)> {
    let text = format!(
        "[collector]\nstate_dir = \"{}\"\nmax_queries_per_db = {MAX_STATEMENTS}\n[postgres]\ndsn = \"{dsn}\"\n",
        state_dir.display()
    );
    let config = Config::load(None, Some(text), &|_| None, &Names::default()).context("read the configuration")?;
    let instance = config.instances.first().cloned().context("have an instance")?;
    Ok((instance, Box::new(move |setting| config.row_limit(setting))))
}

/// The collector as it runs, and each batch taken out of the spool as for a delivery.
async fn collector(dsn: &str, state_dir: &Path) -> Result<()> {
    let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
    let (instance, row_limit) = configuration(dsn, state_dir)?;
    let mut watch = Watch::new(instance, Arc::clone(&catalog), row_limit);
    let sets = sets(&watch);
    let bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
    let held = Held::open(state_dir, bounds, Arc::clone(&catalog), "bench".to_owned())?;
    let shared = Arc::new(Mutex::new(held));
    let (mut cost, mut nth, mut batches) = (Cost::default(), 0, Vec::new());
    while next_cycle()? {
        let before = cpu_ms()?;
        let baselines = lock(&shared).baselines();
        let cycle = watch.cycle(&sets, &baselines).await;
        drop(baselines);
        let failed = cycle
            .instance
            .error
            .iter()
            .chain(cycle.readings.iter().filter_map(|reading| reading.error.as_ref()))
            .next();
        if let Some(error) = failed {
            bail!("a cycle failed: {error}");
        }
        let committing = Arc::clone(&shared);
        tokio::task::spawn_blocking(move || lock(&committing).commit(cycle)).await.context("spool a cycle")??;
        let (batch, spool_bytes) = take_out(&mut lock(&shared))?;
        nth += 1;
        if nth > WARM_UP {
            cost.cycles += 1;
            cost.cpu_ms += cpu_ms()? - before;
            cost.spool_bytes += spool_bytes;
            batches.push(batch);
        }
        println!("done");
    }
    cost.peak_bytes = peak_bytes()?;
    weigh(&batches, &mut cost)?;
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// Reads the batch that waits and notes that it was delivered; answers it and its bytes in the spool.
fn take_out(held: &mut Held) -> Result<(Vec<u8>, u64)> {
    let pending = held.spool.pending().next().context("find a record in the spool")?;
    let bytes = held.spool.pending_bytes();
    let record = held.spool.read(pending)?.context("read a record")?;
    held.spool.acknowledge(pending.sequence)?;
    Ok((record.batch, bytes))
}

/// Counts rows and bytes of batches.
fn weigh(batches: &[Vec<u8>], cost: &mut Cost) -> Result<()> {
    for bytes in batches {
        let mut batch = Batch::decode(&*wire::decompress(bytes, MAX_BATCH_BYTES)?).context("decode a batch")?;
        cost.batch_bytes += bytes.len() as u64;
        cost.rows += batch.readings.iter().map(|reading| u64::from(reading.rows)).sum::<u64>();
        batch.readings.retain(|reading| reading.set == SET);
        cost.set_rows += batch.readings.iter().map(|reading| u64::from(reading.rows)).sum::<u64>();
        cost.set_bytes += wire::compress(&batch.encode_to_vec())?.len() as u64;
    }
    Ok(())
}

/// Processor time of this process, user and system, in milliseconds.
fn cpu_ms() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("ask for the processor time")?;
    let ms = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    Ok(ms(usage.user_time()) + ms(usage.system_time()))
}

/// The most memory that this process ever had resident.
fn peak_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("find the peak")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().context("understand the peak")?;
    Ok(kilobytes * 1024)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn load() -> Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg").context("read the load average")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
