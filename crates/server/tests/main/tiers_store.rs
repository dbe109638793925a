//! A store with sets of every kind, and readings of them that are made up from numbers.

use std::sync::Arc;

use ::ingest::{Compression, Encoding, Ingest, Push};
use ::store::{CustomSets, PoolSettings, Store, open};
use bytes::Bytes;
use catalog::{Catalog, Definition, Kind, Scope, Type};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use testkit::StoreDatabase;
use tokio_postgres::Client;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, Cut, Frame, Instance, Reading};

pub(crate) const EVERYTHING: &str = r#"
help = "Every kind of figure."
scope = "instance"
group = "test"
interval = 60
columns = [
    { name = "key", type = "int8", kind = "label", help = "h" },
    { name = "word", type = "text", kind = "label", help = "h" },
    { name = "calls", type = "int8", kind = "counter", unit = "count", help = "h" },
    { name = "few", type = "int4", kind = "counter", unit = "count", help = "h" },
    { name = "work", type = "float8", kind = "counter", unit = "count", help = "h" },
    { name = "spent", type = "duration", kind = "counter", unit = "microseconds", help = "h" },
    { name = "readings", type = "int8", kind = "count", unit = "count", help = "h" },
    { name = "level", type = "int8", kind = "gauge", help = "h" },
    { name = "small", type = "int4", kind = "gauge", help = "h" },
    { name = "ratio", type = "float8", kind = "gauge", help = "h" },
    { name = "age", type = "duration", kind = "gauge", unit = "microseconds", help = "h" },
    { name = "longest", type = "duration", kind = "gauge", unit = "microseconds", extreme = "greatest", help = "h" },
    { name = "fewest", type = "int4", kind = "gauge", extreme = "least", help = "h" },
    { name = "counts_from", type = "timestamptz", kind = "gauge", extreme = "least", help = "h" },
    { name = "position", type = "lsn", kind = "gauge", unit = "bytes", help = "h" },
    { name = "owner", type = "oid", kind = "gauge", help = "h" },
    { name = "at", type = "timestamptz", kind = "gauge", help = "h" },
    { name = "flag", type = "bool", kind = "gauge", help = "h" },
    { name = "note", type = "text", kind = "gauge", help = "h" },
    { name = "state", type = "text", kind = "state", help = "h" },
    { name = "is_up", type = "bool", kind = "state", help = "h" },
    { name = "stats_reset", type = "timestamptz", kind = "reset", help = "h" },
    { name = "stats_since", type = "timestamptz", kind = "since", help = "h" },
]
"#;

pub(crate) const OF_DATABASES: &str = r#"
help = "Figures of databases."
scope = "database"
group = "test"
interval = 60
columns = [
    { name = "relid", type = "oid", kind = "label", help = "h" },
    { name = "calls", type = "int8", kind = "counter", unit = "count", help = "h" },
    { name = "size", type = "int8", kind = "gauge", unit = "bytes", help = "h" },
]
"#;

pub(crate) const LEVELS: &str = r#"
help = "Nothing that could be divided."
scope = "instance"
group = "test"
interval = 60
columns = [
    { name = "size", type = "int8", kind = "gauge", unit = "bytes", help = "h" },
    { name = "state", type = "text", kind = "state", help = "h" },
]
"#;

pub(crate) const SETS: [(&str, &str, &str); 3] =
    [("instance", "x_all", EVERYTHING), ("database", "x_db", OF_DATABASES), ("instance", "x_levels", LEVELS)];

pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const CELL: i64 = 5 * MINUTE;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The tiers: what their tables end with, and how long their buckets are.
pub(crate) const TIERS: [(&str, i64); 4] = [("_5m", CELL), ("_1h", HOUR), ("_1d", DAY), ("_1w", 7 * DAY)];

pub(crate) fn now() -> Timestamp {
    "2026-03-10T12:34:56Z".parse().unwrap()
}

pub(crate) fn far_later() -> Timestamp {
    now() + SignedDuration::from_hours(8 * 24)
}

pub(crate) struct Fixture {
    pub(crate) ingest: Ingest,
    pub(crate) store: Arc<Store>,
    pub(crate) client: Client,
    pub(crate) database: StoreDatabase,
    pub(crate) collector: Uuid,
    pub(crate) epoch: Uuid,
}

pub(crate) async fn open_tiers(database: &StoreDatabase) -> Arc<Store> {
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 6 }).await.unwrap();
    Arc::new(Store::prepare(pool, sets()).await.unwrap())
}

/// The sets that tiers are tested with.
pub(crate) fn sets() -> Arc<Catalog> {
    let folder = tempfile::tempdir().unwrap();
    for (scope, name, content) in SETS {
        let set = folder.path().join(scope).join(name);
        std::fs::create_dir_all(&set).unwrap();
        std::fs::write(set.join("set.toml"), content).unwrap();
        std::fs::write(set.join("12.sql"), "select 1").unwrap();
    }
    Arc::new(Catalog::default().with_dir(folder.path()).unwrap())
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = testkit::store().await.unwrap();
        let store = open_tiers(&database).await;
        Self::over(database, store).await
    }

    pub(crate) async fn over(database: StoreDatabase, store: Arc<Store>) -> Self {
        Self {
            ingest: Ingest::start(Arc::clone(&store), 50 << 20, CustomSets::Accept),
            client: database.connect().await.unwrap(),
            store,
            database,
            collector: Uuid::now_v7(),
            epoch: Uuid::now_v7(),
        }
    }

    pub(crate) fn definition(&self, set: &str) -> Definition {
        self.store.definitions().set(set).unwrap().definition.clone()
    }

    pub(crate) async fn push(&self, sequence: u64, readings: &[Read]) {
        self.push_at(sequence, readings, now()).await;
    }

    pub(crate) async fn push_at(&self, sequence: u64, readings: &[Read], now: Timestamp) {
        let readings = readings.iter().map(|read| read.encode(&self.definition(SETS[read.set].1)));
        self.push_encoded(sequence, readings.collect(), now).await;
    }

    pub(crate) async fn push_encoded(&self, sequence: u64, readings: Vec<Reading>, now: Timestamp) {
        let instances = ["one", "two"].map(|name| Instance { name: name.to_owned(), ..Instance::default() });
        let batch = Batch {
            format: BATCH_FORMAT,
            collector_id: self.collector.as_bytes().to_vec(),
            epoch: self.epoch.as_bytes().to_vec(),
            sequence,
            created_us: now.as_microsecond(),
            hostname: "host".to_owned(),
            instances: instances.to_vec(),
            readings,
            ..Batch::default()
        };
        let body = Bytes::from(batch.encode_to_vec());
        let room = self.ingest.admit(self.collector, body.len() as u64).unwrap();
        let (encoding, compression) = (Encoding::Protobuf, Compression::None);
        let push = Push {
            collector_id: self.collector,
            room,
            encoding,
            compression,
            body,
            now,
            since: std::time::Instant::now(),
        };
        let answer = self.ingest.push(push).await.unwrap();
        assert_eq!(answer.rejected, []);
    }

    pub(crate) async fn roll_up(&self, now: Timestamp) -> u64 {
        let mut buckets = 0;
        loop {
            let made = self.store.roll_up(now).await.unwrap();
            buckets += made.buckets;
            if !made.is_left {
                return buckets;
            }
        }
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from metrics.{table}"), &[]).await.unwrap().get(0)
    }

    /// All rows of a table, each value as text; moments as microseconds.
    pub(crate) async fn rows(&self, table: &str, columns: &[(String, Type)]) -> Rows {
        let texts: Vec<String> = columns
            .iter()
            .map(|(name, column_type)| match column_type {
                Type::Timestamptz => format!(
                    "case when isfinite(\"{name}\") then (extract(epoch from \"{name}\") * 1000000)::bigint::text
                          else \"{name}\"::text end"
                ),
                _ => format!("\"{name}\"::text"),
            })
            .collect();
        let sql = format!("select {} from metrics.\"{table}\"", texts.join(", "));
        let rows = self.client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| (0..columns.len()).map(|at| row.get(at)).collect()).collect()
    }

    /// Waits until so many backends wait for a lock; answers them.
    pub(crate) async fn waiting(&self, count: usize) -> Vec<i32> {
        let sql = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let pids: Vec<i32> = self.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
            if pids.len() >= count {
                return pids;
            }
            assert!(std::time::Instant::now() < deadline, "nobody waits");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// A reading of the model.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) set: usize,
    pub(crate) instance: usize,
    pub(crate) datid: i64,
    pub(crate) time: i64,
    pub(crate) interval: Option<i64>,
    pub(crate) error: bool,
    pub(crate) late_cycles: u32,
    pub(crate) cuts: Vec<(i64, u32, Vec<i64>)>,
    pub(crate) rows: Vec<Row>,
}

/// A row: numbers from which the values of its columns follow.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: i64,
    pub(crate) word: Option<&'static str>,
    pub(crate) seeds: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl Row {
    pub(crate) fn value(&self, definition: &Definition, at: usize) -> Option<Value> {
        let column = &definition.columns[at];
        let seed = self.seeds[at];
        let number = i64::try_from(seed >> 8).unwrap();
        if column.kind == Kind::Label {
            return match column.name.as_str() {
                "word" => self.word.map(|word| Value::Text(word.to_owned())),
                _ => Some(Value::Int(self.key)),
            };
        }
        if seed.is_multiple_of(5) {
            return None;
        }
        let size = match seed % 7 {
            0 => 0,
            1 => 1,
            2 => 1 << 62,
            3 => number % 10,
            _ => number % 1_000_003,
        };
        Some(match column.column_type {
            Type::Int8 | Type::Lsn | Type::Duration if column.kind == Kind::Gauge && seed.is_multiple_of(3) => {
                Value::Int(-(size % 4096))
            }
            Type::Int8 | Type::Lsn | Type::Duration => Value::Int(size),
            Type::Oid => Value::Int(number % 65_536),
            Type::Int4 => Value::Int(if seed % 7 == 2 { i64::from(i32::MAX) } else { size % 100_000 }),
            Type::Float8 => Value::Float(match seed % 11 {
                0 => 0.0,
                1 => 1e-300,
                _ => f64::from(u32::try_from(number % 1_000_000).unwrap()) / 7.0,
            }),
            Type::Bool => Value::Bool(seed.is_multiple_of(2)),
            Type::Text => {
                Value::Text(["", "idle", "active", "wal\u{e4}nder"][usize::try_from(number % 4).unwrap()].to_owned())
            }
            Type::Timestamptz => Value::Int(match seed % 9 {
                0 => i64::MAX,
                1 => i64::MIN,
                _ => 1_700_000_000_000_000 + number % DAY,
            }),
        })
    }
}

impl Read {
    pub(crate) fn encode(&self, definition: &Definition) -> Reading {
        let mut frame = Frame::new(definition);
        if !self.error {
            for row in &self.rows {
                for (at, column) in frame.columns.iter_mut().enumerate() {
                    let column = column.as_mut().unwrap();
                    match row.value(definition, at) {
                        None => column.push_null(),
                        Some(Value::Int(value)) => column.push_int(value),
                        Some(Value::Float(value)) => column.push_float(value),
                        Some(Value::Bool(value)) => column.push_bool(value),
                        Some(Value::Text(value)) => column.push_text(&value),
                    }
                }
                frame.rows += 1;
            }
        }
        let cuts = self.cuts.iter().map(|(per, rows, ids)| Cut { per: *per, rows: *rows, ids: ids.clone() });
        let mut reading = Reading {
            set: definition.name.clone(),
            definition: definition.hash().0.to_vec(),
            instance: u32::try_from(self.instance).unwrap(),
            datid: self.datid_read(definition),
            started_us: self.time - 1000,
            time_us: self.time,
            interval_us: self.interval.map(|interval| u64::try_from(interval).unwrap()),
            duration_us: 500,
            error: self.error.then(|| "no".to_owned()),
            late_cycles: self.late_cycles,
            cuts: cuts.collect(),
            ..Reading::default()
        };
        reading.encode_rows(&frame);
        reading
    }

    pub(crate) fn datid_read(&self, definition: &Definition) -> Option<i64> {
        (definition.scope == Scope::Database).then_some(self.datid)
    }

    /// The rule: the end of each cell, how much of the interval had passed before and after, and whether it is the last.
    pub(crate) fn pieces(&self, is_divided: bool) -> Vec<(i64, i64, i64, bool)> {
        let cell = |moment: i64| (moment + CELL - 1).div_euclid(CELL) * CELL;
        let interval = self.interval.unwrap_or(0);
        if !is_divided || interval <= CELL {
            return vec![(cell(self.time), 0, interval, true)];
        }
        let reached = self.time - interval.min(7 * DAY);
        let mut pieces = Vec::new();
        let (mut end, mut from) = (reached.div_euclid(CELL) * CELL + CELL, 0);
        loop {
            let behind = (self.time - end).max(0);
            pieces.push((end, from, interval - behind, end >= self.time));
            if end >= self.time {
                return pieces;
            }
            (end, from) = (end + CELL, interval - behind);
        }
    }
}
