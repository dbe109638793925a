//! How long answers take beside the same sums in bare SQL: `cargo bench -p reads --bench reads`.
//!
//! ```text
//! a throw-away cluster ◄─ a year of one busy instance (history)
//!          └─► in rounds: bare SQL over raw rows, and every endpoint over every range ─► times, ratios, bytes
//! ```
//! `BENCH_SIZE=small` takes a twentieth of the rows. `BENCH_SLOWEST=3` names the costliest statements of each answer.
#![expect(clippy::print_stdout, reason = "a measurement is data")]

mod history;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use catalog::{Catalog, Kind};
use history::{FULL, History, INSTANCE, SMALL, STATEMENTS, Size};
use jiff::{SignedDuration, Timestamp};
use reads::{InstanceId, Reader, Snapshot, View, databases, instances, queries, replication, tables};
use serde::de::DeserializeOwned;
use serde_json::json;
use store::tiers::Tier;
use store::{PoolSettings, ReadPool, Store, open};
use testkit::{Pg, PgOptions, Ratios, median, percentile};
use tokio_postgres::Client;

/// Ranges by their names, in hours.
const RANGES: [(&str, i64); 5] = [("1 h", 1), ("24 h", 24), ("7 d", 7 * 24), ("30 d", 30 * 24), ("1 y", 365 * 24)];
/// The rounds in which all take turns.
const ROUNDS: usize = 5;
/// How often each is asked in a round.
const RUNS: usize = 3;

/// A statement that is asked for: neither the busiest nor the idlest.
const QUERYID: i64 = 20 * 922_337_203_685_477;

/// What is asked for.
const ENDPOINTS: [Endpoint; 7] = [
    Endpoint::Ranking,
    Endpoint::Statement,
    Endpoint::Timeline,
    Endpoint::Tables,
    Endpoint::Databases,
    Endpoint::Replication,
    Endpoint::Instance,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Endpoint {
    Ranking,
    Statement,
    Timeline,
    Tables,
    Databases,
    Replication,
    Instance,
}

impl Endpoint {
    const fn name(self) -> &'static str {
        match self {
            Self::Ranking => "queries",
            Self::Statement => "query",
            Self::Timeline => "timeline",
            Self::Tables => "tables",
            Self::Databases => "databases",
            Self::Replication => "replication",
            Self::Instance => "instance",
        }
    }

    async fn ask(self, snapshot: &Snapshot, id: InstanceId, start: Timestamp) -> Result<()> {
        let (end, queryid) = (snapshot.now(), QUERYID.to_string());
        let answer = match self {
            Self::Ranking => queries::list(snapshot, id, asked(start, end)?).await.map(drop),
            Self::Statement => queries::get(snapshot, id, &queryid, asked(start, end)?).await.map(drop),
            Self::Timeline => queries::timeline(snapshot, id, &queryid, asked(start, end)?).await.map(drop),
            Self::Tables => tables::list(snapshot, id, asked(start, end)?).await.map(drop),
            Self::Databases => databases::list(snapshot, id, asked(start, end)?).await.map(drop),
            Self::Replication => replication::get(snapshot, id, asked(start, end)?).await.map(drop),
            Self::Instance => instances::get(snapshot, id, asked(start, end)?).await.map(drop),
        };
        answer.map_err(|error| anyhow!("{self:?}: {error:?}"))
    }
}

fn asked<Query: DeserializeOwned>(start: Timestamp, end: Timestamp) -> Result<Query> {
    serde_json::from_value(json!({ "start": start, "end": end })).context("ask")
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let size = match std::env::var("BENCH_SIZE").as_deref() {
        Ok("small") => SMALL,
        _ => FULL,
    };
    runtime.block_on(run(size))
}

async fn run(size: Size) -> Result<()> {
    let options = PgOptions::default()
        .setting("shared_buffers", "512MB")
        .setting("max_wal_size", "8GB")
        .setting("pg_stat_statements.track_planning", "on");
    let pg = Pg::start(options).await?;
    let url = pg.dsn("postgres");
    let pool = open(&PoolSettings { url: url.clone(), max_connections: 4 }).await?;
    let catalog = Arc::new(Catalog::embedded().context("read the catalogue")?);
    let store = Arc::new(Store::prepare(pool, catalog).await?);
    let client = pg.connect("postgres").await?;
    client.simple_query("set timezone = 'UTC'; set jit = off").await?;
    let began = Instant::now();
    let history = History::make(&store, &client, size).await?;
    println!(
        "a year of {} statements and {} tables ({}), made in {:.0} s",
        size.statements,
        size.tables,
        size.name,
        began.elapsed().as_secs_f64()
    );
    let reads = open(&PoolSettings { url, max_connections: 2 }).await?;
    let reader = Reader::new(ReadPool::from(reads), Arc::clone(&store));
    let mut ratios = Ratios::new("reads", size.name);
    Bytes::of(&client).await?.print(size, &mut ratios);
    Measured::run(&reader, &store, &client, &history, &mut ratios).await?.print();
    print!("\nratios\n{}", ratios.finish()?);
    Ok(())
}

/// Times in milliseconds, by what was asked for and the range's place.
#[derive(Default)]
struct Measured {
    bare: BTreeMap<usize, Vec<f64>>,
    ours: BTreeMap<(Endpoint, usize), Vec<f64>>,
    /// How much of it PostgreSQL spent on statements.
    statements: BTreeMap<(Endpoint, usize), f64>,
}

impl Measured {
    async fn run(
        reader: &Reader,
        store: &Store,
        client: &Client,
        history: &History,
        ratios: &mut Ratios,
    ) -> Result<Self> {
        let mut measured = Self::default();
        let bare = bare(store)?;
        let slowest = std::env::var("BENCH_SLOWEST").ok().and_then(|most| most.parse().ok()).unwrap_or(0);
        for round in 0..=ROUNDS {
            // The first is for the caches, and not counted.
            let runs = if round == 0 { 1 } else { RUNS };
            let mut floors = Vec::new();
            for (range, (_, hours)) in RANGES.iter().enumerate().take(2) {
                let start = history.now - SignedDuration::from_hours(*hours);
                let mut times = Vec::new();
                for _ in 0..runs {
                    let began = Instant::now();
                    client.query(&bare, &[&INSTANCE, &start, &history.now]).await.context("bare SQL")?;
                    times.push(began.elapsed().as_secs_f64() * 1000.0);
                }
                floors.push(median(&times));
                if round > 0 {
                    measured.bare.entry(range).or_default().extend(&times);
                }
            }
            for (range, (name, hours)) in RANGES.iter().enumerate() {
                let start = history.now - SignedDuration::from_hours(*hours);
                for endpoint in ENDPOINTS {
                    client.execute("select pg_stat_statements_reset()", &[]).await?;
                    let mut times = Vec::new();
                    for _ in 0..runs {
                        let began = Instant::now();
                        let snapshot = reader.begin(View::All, history.now).await.context("begin a snapshot")?;
                        let id = snapshot.instance(INSTANCE).await?.context("find the instance")?;
                        endpoint.ask(&snapshot, id, start).await?;
                        times.push(began.elapsed().as_secs_f64() * 1000.0);
                    }
                    if round == 0 {
                        continue;
                    }
                    if round == ROUNDS {
                        let spent = spent(client, runs).await?;
                        measured.statements.insert((endpoint, range), spent / times.iter().sum::<f64>());
                        print_slowest(client, endpoint, name, runs, slowest).await?;
                    }
                    // What is longer than a day has no bare SQL to be held against; that of an hour is the unit.
                    let floor = floors.get(range).or(floors.first()).copied().unwrap_or(f64::NAN);
                    ratios.add(&format!("{} {name}", endpoint.name()), median(&times) / floor);
                    measured.ours.entry((endpoint, range)).or_default().extend(&times);
                }
            }
        }
        Ok(measured)
    }

    fn print(&self) {
        println!("\nmilliseconds            p50      p95   statements   bare SQL   ratio");
        for ((endpoint, range), times) in &self.ours {
            let (p50, p95) = (median(times), percentile(times, 0.95));
            let share = self.statements.get(&(*endpoint, *range)).copied().unwrap_or(f64::NAN);
            let mut line = format!(
                "{:<12} {:>4} {p50:>9.1} {p95:>8.1} {:>10.0} %",
                endpoint.name(),
                RANGES[*range].0,
                share * 100.0
            );
            if let Some(bare) = self.bare.get(range) {
                let bare = median(bare);
                let _ = write!(line, " {bare:>10.1} {:>7.2}", p50 / bare);
            }
            println!("{line}");
        }
    }
}

/// The sums of all counters of all statements, over raw rows.
fn bare(store: &Store) -> Result<String> {
    let known = store.definitions().set(STATEMENTS).context("find the set")?;
    let sums: String = known.definition.columns.iter().filter(|column| column.kind == Kind::Counter).fold(
        String::new(),
        |mut list, column| {
            let _ = write!(list, ", sum({})::float8 as {}", column.name, column.name);
            list
        },
    );
    Ok(format!(
        "select userid, dbid, queryid, toplevel{sums} from metrics.{STATEMENTS}
         where instance_id = $1 and time > $2 and time <= $3
         group by userid, dbid, queryid, toplevel order by total_exec_time desc limit 100"
    ))
}

/// Milliseconds that PostgreSQL spent on the statements of so many runs; a reset has gone before.
async fn spent(client: &Client, runs: usize) -> Result<f64> {
    let sql = "select coalesce(sum(total_exec_time + total_plan_time), 0) from pg_stat_statements
               where toplevel and query !~ 'from pg_stat_statements|pg_stat_statements_reset' and calls <= $1::int8 * 100";
    let runs = i64::try_from(runs).unwrap_or(1);
    Ok(client.query_one(sql, &[&runs]).await?.get(0))
}

async fn print_slowest(client: &Client, endpoint: Endpoint, range: &str, runs: usize, most: i64) -> Result<()> {
    let sql = "select total_exec_time / $1::float8, total_plan_time / $1::float8, calls,
                   left(regexp_replace(query, '\\s+', ' ', 'g'), 230)
               from pg_stat_statements where query !~ 'from pg_stat_statements|pg_stat_statements_reset'
               order by total_exec_time + total_plan_time desc limit $2";
    for row in client.query(sql, &[&(runs as f64), &most]).await? {
        let (exec, plan, calls, query): (f64, f64, i64, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        println!("{} {range}: {exec:.1} ms + {plan:.1} ms planning, {calls} calls: {query}", endpoint.name());
    }
    Ok(())
}

/// Bytes with indexes and rows, by table.
struct Bytes(BTreeMap<String, (i64, i64)>);

impl Bytes {
    async fn of(client: &Client) -> Result<Self> {
        let sql = "select p.relname::text, sum(pg_total_relation_size(c.oid))::int8, sum(c.reltuples)::float8::int8
                   from pg_class p join pg_inherits i on i.inhparent = p.oid join pg_class c on c.oid = i.inhrelid
                   where p.relnamespace = 'metrics'::regnamespace and p.relkind = 'p' and c.reltuples > 0 group by p.relname";
        let rows = client.query(sql, &[]).await.context("measure tables")?;
        Ok(Self(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()))
    }

    fn a_row(&self, table: &str) -> Option<f64> {
        self.0.get(table).map(|(bytes, rows)| *bytes as f64 / *rows as f64)
    }

    fn print(&self, size: Size, ratios: &mut Ratios) {
        println!("\nbytes a row with index{:>16} {:>8} {:>8} {:>8} {:>8}", "raw", "5m", "1h", "1d", "1w");
        let raws = self.0.keys().filter(|table| Tier::ALL.iter().all(|tier| !table.ends_with(tier.suffix())));
        for raw in raws {
            let mut line = format!("{raw:<30}");
            for table in std::iter::once(raw.clone()).chain(Tier::ALL.map(|tier| tier.table(raw))) {
                let _ = match self.a_row(&table) {
                    Some(bytes) => write!(line, " {bytes:>8.0}"),
                    None => write!(line, " {:>8}", "-"),
                };
                if let Some(bytes) = self.a_row(&table).filter(|_| raw == STATEMENTS) {
                    ratios.add(&format!("bytes a row of {table}"), bytes);
                }
            }
            println!("{line}");
        }
        let year = |tier: Tier| (365 * 86_400_000_000 / tier.width_us() * size.statements) as f64;
        let of = |table: &str, rows: f64| self.a_row(table).unwrap_or(f64::NAN) * rows / 1e9;
        let [cells, hours, days, _] = Tier::ALL.map(|tier| (tier, tier.table(STATEMENTS)));
        let kept = cells.0.keep_days() as f64 / 365.0;
        println!(
            "{} statements for a year: {:.2} GB of hours, {:.3} GB of days; 90 days of 5 minutes {:.2} GB, 30 days of \
             raw rows {:.2} GB",
            size.statements,
            of(&hours.1, year(hours.0)),
            of(&days.1, year(days.0)),
            of(&cells.1, year(cells.0) * kept),
            of(STATEMENTS, (30 * 1440 * size.statements) as f64),
        );
    }
}
