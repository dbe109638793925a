//! The two clients that are compared, each a process of its own that does a cycle when told to.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use catalog::{Catalog, Scope, SetKind};
use collector::coverage::{self, Extension, Known};
use collector::discovery;
use collector::identity::{self, Identity};
use collector::own::Process;
use collector::session::Session;
use collector::spool::Bounds;
use collector::state::{Held, lock};
use collector::watch::{Cycle, Watch};
use config::{Config, Names};
use futures_util::{StreamExt, pin_mut};
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};
use wire::{Batch, FrameColumn, Values};

use crate::measure::{cpu_ms, peak_bytes};
use crate::{CYCLE_SECONDS, MAX_STATEMENTS, WARM_UP};

/// The extension, and its set that has a row for each statement.
pub(crate) const SET: &str = "pg_stat_statements";

/// The most that a batch unfolds to.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// What a client cost, and what the collector left behind.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) cycles: u32,
    pub(crate) cpu_ms: f64,
    pub(crate) peak_bytes: u64,
    pub(crate) spool_bytes: u64,
    pub(crate) batch_bytes: u64,
    pub(crate) rows: u64,
    /// The bytes of the same rows as objects of JSON, by gzip.
    pub(crate) gzip_json_bytes: u64,
    /// Rows of each set, and the bytes of batches of nothing but this set.
    pub(crate) sets: BTreeMap<String, (u64, u64)>,
}

/// One of the two clients, seen from outside.
pub(crate) struct Measured {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Measured {
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
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
    pub(crate) fn cycle(&mut self) -> Result<()> {
        self.input.write_all(b"cycle\n").context("ask for a cycle")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer).context("wait for a cycle")?;
        ensure!(answer == "done\n", "the client ended early");
        Ok(())
    }

    pub(crate) fn end(mut self) -> Result<Cost> {
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

/// The bare client: the statements that the collector runs in a cycle, and nothing kept. With
/// `elsewhere`, also those of scope `database`: over the open connection, and over one to that database.
pub(crate) async fn bare(dsn: &str, instances: usize, elsewhere: Option<&str>) -> Result<()> {
    let mut clients = Vec::new();
    for _ in 0..instances {
        clients.push(connect(dsn).await?);
    }
    let planned = Planned::new(dsn, clients.first().context("have an instance")?).await?;
    let (mut cost, mut nth) = (Cost::default(), 0);
    while next_cycle()? {
        let before = cpu_ms()?;
        for client in &clients {
            Identity::read(client, &planned.settings).await.context("ask who the instance is")?;
            let name = [(&discovery::EXTENSION as _, Type::TEXT)];
            client.client.query_typed_opt(discovery::SQL, &name).await.context("look for the extension")?;
            read(&client.client, &planned.of_instance).await?;
        }
        if let Some(elsewhere) = elsewhere {
            let client = clients.first().context("have an instance")?;
            Identity::read(client, &planned.settings).await.context("ask who the instance is")?;
            read(&client.client, &planned.of_databases).await?;
            let client = connect(elsewhere).await?;
            Identity::read(&client, &planned.settings).await.context("ask who the instance is")?;
            read(&client.client, &planned.of_databases).await?;
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
    Ok(())
}

/// A connection that ends with its client.
async fn connect(dsn: &str) -> Result<Session> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.context("connect")?;
    tokio::spawn(connection);
    Ok(client.into())
}

/// Runs statements and throws their rows away.
async fn read(client: &Client, statements: &[String]) -> Result<()> {
    for sql in statements {
        let none: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 0] = [];
        let rows = client.query_typed_raw(sql, none).await.context("run a set's statement")?;
        pin_mut!(rows);
        while let Some(row) = rows.next().await {
            drop(row.context("read a row")?);
        }
    }
    Ok(())
}

/// What the collector runs in a cycle in which no text is missing: each set's statement, between
/// two of its guard's where it has one; and the settings that it asks for with the identity.
struct Planned {
    of_instance: Vec<String>,
    of_databases: Vec<String>,
    settings: Vec<String>,
}

impl Planned {
    async fn new(dsn: &str, client: &Session) -> Result<Self> {
        let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
        let (config, _) = configuration(&catalog, dsn, Path::new("/nowhere"), Some(CYCLE_SECONDS))?;
        let settings = settings(&catalog);
        let identity = Identity::read(client, &settings).await?;
        let version: String = client
            .client
            .query_one("select extversion from pg_extension where extname = $1", &[&SET])
            .await
            .context("find the extension")?
            .get(0);
        let version = version.parse().map_err(|_| anyhow::anyhow!("version {version} of the extension"))?;
        let extension =
            Extension { database: "postgres".to_owned(), version, schema: "public".to_owned(), fix: String::new() };
        let known = Known { identity: &identity, grants: Some(&identity.grants), extension: Some(&extension) };
        let plans = coverage::plan(&catalog, known, |set, group| config.enabled(set, group));
        let sql_of = |name: &str| plans.iter().find(|plan| plan.set.name() == name).and_then(|plan| plan.sql.clone());
        let guards: HashSet<&str> = catalog.sets().filter_map(|set| set.guard.as_deref()).collect();
        let (mut of_instance, mut of_databases) = (Vec::new(), Vec::new());
        for plan in plans.iter().filter(|plan| !guards.contains(plan.set.name())) {
            let figures = plan.set.definition.kind() != SetKind::Texts;
            let Some(sql) = plan.sql.clone().filter(|_| figures) else { continue };
            let guard = plan.set.guard.as_deref().and_then(sql_of);
            let into = if plan.set.definition.scope == Scope::Database { &mut of_databases } else { &mut of_instance };
            into.extend(guard.iter().cloned().chain([sql]).chain(guard.clone()));
        }
        Ok(Self { of_instance, of_databases, settings })
    }
}

/// The settings that are asked for with the identity, as a watch asks for them.
pub(crate) fn settings(catalog: &Catalog) -> Vec<String> {
    let columns = catalog.sets().flat_map(|set| &set.definition.columns);
    let mut settings: Vec<String> = columns
        .filter_map(|column| column.requires_setting.clone())
        .chain(identity::SETTINGS.map(str::to_owned))
        .collect();
    settings.sort();
    settings.dedup();
    settings
}

type RowLimit = Box<dyn Fn(&str) -> Option<u32>>;

/// One instance, as the collector's configuration file says it; sets with a longer interval than
/// `most_seconds` are switched off.
pub(crate) fn configuration(
    catalog: &Catalog,
    dsn: &str,
    state_dir: &Path,
    most_seconds: Option<u32>,
) -> Result<(config::Instance, RowLimit)> {
    let mut text = format!(
        "[collector]\nstate_dir = \"{}\"\nmax_queries_per_db = {MAX_STATEMENTS}\n[postgres]\ndsn = \"{dsn}\"\n",
        state_dir.display()
    );
    let seldom = catalog.sets().filter(|set| most_seconds.is_some_and(|most| set.interval_seconds > most));
    text.extend(seldom.map(|set| format!("[sets.{}]\nenabled = false\n", set.name())));
    let names = Names { sets: catalog.sets().map(|set| set.name().to_owned()).collect(), ..Names::default() };
    let config = Config::load(None, Some(text), &|_| None, &names).context("read the configuration")?;
    let instance = config.instances.first().cloned().context("have an instance")?;
    Ok((instance, Box::new(move |setting| config.row_limit(setting))))
}

/// An instance of the collector as it runs.
struct Observed {
    watch: Watch,
    sets: Vec<String>,
    shared: Arc<Mutex<Held>>,
}

impl Observed {
    fn new(catalog: &Arc<Catalog>, dsn: &str, state_dir: &Path, all: bool) -> Result<Self> {
        let (instance, row_limit) = configuration(catalog, dsn, state_dir, Some(CYCLE_SECONDS))?;
        let watch = Watch::new(instance, Arc::clone(catalog), row_limit);
        let of_instance = |set: &str| catalog.get(set).is_some_and(|set| set.definition.scope == Scope::Instance);
        let scheduled = watch.schedule().into_iter().map(|(set, _)| set);
        let sets: Vec<String> = scheduled.filter(|set| all || of_instance(set)).collect();
        let bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
        let held = Held::open(state_dir, bounds, Arc::clone(catalog), "bench".to_owned())?;
        Ok(Self { watch, sets, shared: Arc::new(Mutex::new(held)) })
    }

    /// Reads all sets, and answers each batch as for a delivery, with its bytes in the spool.
    async fn cycle(&mut self, all: bool) -> Result<Vec<(Vec<u8>, u64)>> {
        let baselines = lock(&self.shared).baselines();
        self.watch.tell_process(Process { instances: 1, ..Process::default() });
        let mut cycles = vec![self.watch.cycle(&self.sets, &baselines).await];
        if all {
            cycles.append(&mut self.watch.read_databases(&baselines).await);
        }
        drop(baselines);
        let mut written = Vec::new();
        for cycle in cycles {
            refuse_failed(&cycle)?;
            let committing = Arc::clone(&self.shared);
            tokio::task::spawn_blocking(move || lock(&committing).commit(cycle)).await.context("spool a cycle")??;
            written.push(take_out(&mut lock(&self.shared))?);
        }
        Ok(written)
    }
}

/// The collector with so many instances behind one connection string. `all`: with the sets of databases, of the host and
/// of the collector itself; otherwise those of the instance only.
pub(crate) async fn collector(dsn: &str, instances: usize, state_dir: &Path, all: bool) -> Result<()> {
    let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
    let mut observed = Vec::new();
    for n in 0..instances {
        let own = state_dir.join(n.to_string());
        std::fs::create_dir_all(&own).context("make a state directory")?;
        observed.push(Observed::new(&catalog, dsn, &own, all)?);
    }
    let (mut cost, mut nth, mut batches) = (Cost::default(), 0, 0_u32);
    while next_cycle()? {
        let before = cpu_ms()?;
        let mut written = Vec::new();
        for one in &mut observed {
            written.append(&mut one.cycle(all).await?);
        }
        nth += 1;
        if nth > WARM_UP {
            cost.cycles += 1;
            cost.cpu_ms += cpu_ms()? - before;
            // Weighed at the end, and not held in memory until then: that is measured.
            for (batch, spool_bytes) in written {
                cost.spool_bytes += spool_bytes;
                std::fs::write(state_dir.join(format!("weighed-{batches}")), batch).context("keep a batch")?;
                batches += 1;
            }
        }
        println!("done");
    }
    cost.peak_bytes = peak_bytes()?;
    for batch in 0..batches {
        let batch = std::fs::read(state_dir.join(format!("weighed-{batch}"))).context("read a batch")?;
        weigh(&batch, &catalog, &mut cost)?;
    }
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// An error when something of a cycle was not read.
pub(crate) fn refuse_failed(cycle: &Cycle) -> Result<()> {
    let errors = cycle.readings.iter().filter_map(|reading| reading.error.as_ref());
    match cycle.instance.error.iter().chain(errors).next() {
        Some(error) => bail!("a cycle failed: {error}"),
        None => Ok(()),
    }
}

/// Reads the batch that waits and notes that it was delivered; answers it and its bytes in the spool.
fn take_out(held: &mut Held) -> Result<(Vec<u8>, u64)> {
    let pending = held.spool.pending().next().context("find a record in the spool")?;
    let bytes = held.spool.pending_bytes();
    let record = held.spool.read(pending)?.context("read a record")?;
    held.spool.acknowledge(pending.sequence)?;
    Ok((record.batch, bytes))
}

/// Counts rows and bytes of a batch.
fn weigh(bytes: &[u8], catalog: &Catalog, cost: &mut Cost) -> Result<()> {
    let batch = Batch::decode(&*wire::decompress(bytes, MAX_BATCH_BYTES)?).context("decode a batch")?;
    cost.batch_bytes += bytes.len() as u64;
    cost.gzip_json_bytes += gzip_json(&batch, catalog)?;
    for reading in &batch.readings {
        cost.rows += u64::from(reading.rows);
        let alone = Batch { readings: vec![reading.clone()], ..Batch::default() };
        let (rows, bytes) = cost.sets.entry(reading.set.clone()).or_default();
        *rows += u64::from(reading.rows);
        *bytes += wire::compress(&alone.encode_to_vec())?.len() as u64;
    }
    Ok(())
}

/// The bytes of a batch's readings as JSON, each row an object, by gzip.
fn gzip_json(batch: &Batch, catalog: &Catalog) -> Result<u64> {
    let mut readings = Vec::new();
    for reading in &batch.readings {
        let Some(set) = catalog.get(&reading.set) else { continue };
        let frame = reading.decode_rows(&set.definition).context("decode rows")?;
        let value = |column: &FrameColumn, row: usize| match &column.values {
            _ if column.is_null(row) => serde_json::Value::Null,
            Values::Bool(_) => column.bool(row).into(),
            Values::Int(_) => column.int(row).into(),
            Values::Float(_) => column.float(row).into(),
            Values::Text(_) => column.text(row).into(),
        };
        let object = |row: usize| {
            let columns = set.definition.columns.iter().zip(&frame.columns);
            let columns = columns.filter_map(|(meta, column)| Some((meta.name.clone(), value(column.as_ref()?, row))));
            serde_json::Value::Object(columns.collect())
        };
        let rows: Vec<serde_json::Value> = (0..frame.rows).map(object).collect();
        readings.push(serde_json::json!({ "set": reading.set, "time": reading.time_us, "rows": rows }));
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    serde_json::to_writer(&mut packed, &readings).context("write JSON")?;
    Ok(packed.finish().context("pack JSON")?.len() as u64)
}
