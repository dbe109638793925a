//! Tiers say what the raw rows say: by a rule that is written down here a second time, without SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use catalog::{Catalog, Definition, Kind, Scope, Type};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
use server::ingest::{Compression, Encoding, Ingest, Push};
use server::store::{CustomSets, PoolSettings, Store, open};
use testkit::StoreDatabase;
use tokio_postgres::Client;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, Cut, Frame, Instance, Reading};

const EVERYTHING: &str = r#"
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

const OF_DATABASES: &str = r#"
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

const LEVELS: &str = r#"
help = "Nothing that could be divided."
scope = "instance"
group = "test"
interval = 60
columns = [
    { name = "size", type = "int8", kind = "gauge", unit = "bytes", help = "h" },
    { name = "state", type = "text", kind = "state", help = "h" },
]
"#;

const SETS: [(&str, &str, &str); 3] =
    [("instance", "x_all", EVERYTHING), ("database", "x_db", OF_DATABASES), ("instance", "x_levels", LEVELS)];

const MINUTE: i64 = 60_000_000;
const CELL: i64 = 5 * MINUTE;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The tiers: what their tables end with, and how long their buckets are.
const TIERS: [(&str, i64); 3] = [("_5m", CELL), ("_1h", HOUR), ("_1d", DAY)];

fn now() -> Timestamp {
    "2026-03-10T12:34:56Z".parse().unwrap()
}

fn far_later() -> Timestamp {
    now() + SignedDuration::from_hours(24)
}

struct Fixture {
    ingest: Ingest,
    store: Arc<Store>,
    client: Client,
    database: StoreDatabase,
    collector: Uuid,
    epoch: Uuid,
}

async fn open_tiers(database: &StoreDatabase) -> Arc<Store> {
    let folder = tempfile::tempdir().unwrap();
    for (scope, name, content) in SETS {
        let set = folder.path().join(scope).join(name);
        std::fs::create_dir_all(&set).unwrap();
        std::fs::write(set.join("set.toml"), content).unwrap();
        std::fs::write(set.join("12.sql"), "select 1").unwrap();
    }
    let catalog = Arc::new(Catalog::default().with_dir(folder.path()).unwrap());
    let pool = open(&PoolSettings { url: database.dsn.clone(), max_connections: 6 }).await.unwrap();
    Arc::new(Store::prepare(pool, catalog).await.unwrap())
}

impl Fixture {
    async fn new() -> Self {
        let database = testkit::store().await.unwrap();
        let store = open_tiers(&database).await;
        Self {
            ingest: Ingest::start(Arc::clone(&store), 50 << 20, CustomSets::Accept),
            client: database.connect().await.unwrap(),
            store,
            database,
            collector: Uuid::now_v7(),
            epoch: Uuid::now_v7(),
        }
    }

    fn definition(&self, set: &str) -> Definition {
        self.store.definitions().set(set).unwrap().definition.clone()
    }

    async fn push(&self, sequence: u64, readings: &[Read]) {
        self.push_at(sequence, readings, now()).await;
    }

    async fn push_at(&self, sequence: u64, readings: &[Read], now: Timestamp) {
        let instances = ["one", "two"].map(|name| Instance { name: name.to_owned(), ..Instance::default() });
        let batch = Batch {
            format: BATCH_FORMAT,
            collector_id: self.collector.as_bytes().to_vec(),
            epoch: self.epoch.as_bytes().to_vec(),
            sequence,
            created_us: now.as_microsecond(),
            hostname: "host".to_owned(),
            instances: instances.to_vec(),
            readings: readings.iter().map(|read| read.encode(&self.definition(SETS[read.set].1))).collect(),
            ..Batch::default()
        };
        let body = Bytes::from(batch.encode_to_vec());
        let room = self.ingest.admit(self.collector, body.len() as u64).unwrap();
        let (encoding, compression) = (Encoding::Protobuf, Compression::None);
        let push = Push { collector_id: self.collector, room, encoding, compression, body, now };
        let answer = self.ingest.push(push).await.unwrap();
        assert_eq!(answer.rejected, []);
    }

    async fn roll_up(&self, now: Timestamp) -> u64 {
        let mut buckets = 0;
        loop {
            let made = self.store.roll_up(now).await.unwrap();
            buckets += made.buckets;
            if !made.is_left {
                return buckets;
            }
        }
    }

    async fn count(&self, table: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from metrics.{table}"), &[]).await.unwrap().get(0)
    }

    /// All rows of a table, each value as text; moments as microseconds.
    async fn rows(&self, table: &str, columns: &[(String, Type)]) -> Rows {
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
}

type Rows = Vec<Vec<Option<String>>>;

/// A reading of the model.
#[derive(Clone, Debug)]
struct Read {
    set: usize,
    instance: usize,
    datid: i64,
    time: i64,
    interval: Option<i64>,
    error: bool,
    late_cycles: u32,
    cuts: Vec<(i64, u32, Vec<i64>)>,
    rows: Vec<Row>,
}

/// A row: numbers from which the values of its columns follow.
#[derive(Clone, Debug)]
struct Row {
    key: i64,
    word: Option<&'static str>,
    seeds: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl Row {
    fn value(&self, definition: &Definition, at: usize) -> Option<Value> {
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
    fn encode(&self, definition: &Definition) -> Reading {
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

    fn datid_read(&self, definition: &Definition) -> Option<i64> {
        (definition.scope == Scope::Database).then_some(self.datid)
    }

    /// The rule: the end of each cell, how much of the interval had passed before and after, and whether it is the last.
    fn pieces(&self, is_divided: bool) -> Vec<(i64, i64, i64, bool)> {
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

/// What a column of a bucket must be.
#[derive(Clone, Debug)]
enum Expected {
    Null,
    Exactly(String),
    Nearly(f64),
    Shares(BTreeMap<String, u64>),
    Ids(Vec<i64>),
}

impl Expected {
    fn is(&self, text: Option<&String>) -> bool {
        match (self, text) {
            (Self::Null, None) => true,
            (Self::Exactly(expected), Some(text)) => expected == text,
            (Self::Nearly(expected), Some(text)) => {
                let value: f64 = text.parse().unwrap();
                (value - expected).abs() <= 1e-9 * expected.abs().max(value.abs())
            }
            (Self::Shares(expected), Some(text)) => {
                serde_json::from_str::<BTreeMap<String, u64>>(text).unwrap() == *expected
            }
            (Self::Ids(ids), Some(text)) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                *text == format!("{{{}}}", ids.join(","))
            }
            _ => false,
        }
    }
}

/// All that falls into one bucket of one column: with its time, and as what part of the interval.
type Parts = Vec<(i64, Value, i64, i64, i64, bool)>;

/// The columns of a set's tiers after the keys, and what they must be.
fn expected(column: &catalog::Column, parts: &Parts) -> Vec<(String, Expected)> {
    let name = &column.name;
    let text = |value: &Value| match value {
        Value::Int(value) if column.column_type == Type::Timestamptz && *value == i64::MAX => "infinity".to_owned(),
        Value::Int(value) if column.column_type == Type::Timestamptz && *value == i64::MIN => "-infinity".to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(value) => value.clone(),
    };
    let whole = |value: &Value| match value {
        Value::Float(_) => Expected::Nearly(text(value).parse().unwrap()),
        _ => Expected::Exactly(text(value)),
    };
    let or_null = |value: Option<Expected>| value.unwrap_or(Expected::Null);
    let lasts: Vec<&(i64, Value, i64, i64, i64, bool)> = parts.iter().filter(|part| part.5).collect();
    let by = |a: &(i64, Value), b: &(i64, Value)| a.partial_cmp(b).unwrap();
    let last = lasts.iter().map(|part| (part.0, part.1.clone())).max_by(by);
    let last = (name.clone(), or_null(last.map(|(_, value)| whole(&value))));
    let number = |value: &Value| match value {
        Value::Int(value) => value.to_string().parse::<f64>().unwrap(),
        Value::Float(value) => *value,
        _ => f64::NAN,
    };
    match column.kind {
        Kind::Counter | Kind::Count if column.column_type == Type::Float8 => {
            let share = |value: f64, part: i64, interval: i64| {
                match value {
                    _ if part == interval => value,
                    // Too small to have parts.
                    tiny if tiny < 1e-280 => 0.0,
                    _ => value * (part as f64 / interval as f64),
                }
            };
            let sum: f64 = parts
                .iter()
                .map(|(_, value, from, upto, interval, _)| {
                    share(number(value), *upto, *interval)
                        - if *from == 0 { 0.0 } else { share(number(value), *from, *interval) }
                })
                .sum();
            vec![(name.clone(), if parts.is_empty() { Expected::Null } else { Expected::Nearly(sum) })]
        }
        Kind::Counter | Kind::Count => {
            let reached = |value: i64, part: i64, interval: i64| {
                if part == interval {
                    i128::from(value)
                } else {
                    i128::from(value) * i128::from(part) / i128::from(interval)
                }
            };
            let sum: i128 = parts
                .iter()
                .map(|(_, value, from, upto, interval, _)| {
                    let Value::Int(value) = value else { panic!("{name} is a whole number") };
                    reached(*value, *upto, *interval) - if *from == 0 { 0 } else { reached(*value, *from, *interval) }
                })
                .sum();
            let sum = sum.min(i128::from(i64::MAX));
            vec![(name.clone(), if parts.is_empty() { Expected::Null } else { Expected::Exactly(sum.to_string()) })]
        }
        Kind::Gauge
            if matches!(column.column_type, Type::Int4 | Type::Int8 | Type::Float8 | Type::Duration | Type::Lsn) =>
        {
            let order = |a: &&Value, b: &&Value| a.partial_cmp(b).unwrap();
            let values = || lasts.iter().map(|part| &part.1);
            let sum: f64 = values().map(number).sum();
            vec![
                last,
                (format!("{name}_min"), or_null(values().min_by(order).map(whole))),
                (format!("{name}_max"), or_null(values().max_by(order).map(whole))),
                (format!("{name}_sum"), if lasts.is_empty() { Expected::Null } else { Expected::Nearly(sum) }),
                (format!("{name}_n"), Expected::Exactly(lasts.len().to_string())),
            ]
        }
        Kind::State => {
            let mut shares: BTreeMap<String, u64> = BTreeMap::new();
            lasts.iter().for_each(|part| *shares.entry(text(&part.1)).or_default() += 1);
            let shares = if shares.is_empty() { Expected::Null } else { Expected::Shares(shares) };
            vec![last, (format!("{name}_shares"), shares)]
        }
        Kind::Since => {
            let finite = lasts.iter().filter_map(|part| match part.1 {
                Value::Int(moment) if moment != i64::MAX && moment != i64::MIN => Some(moment),
                _ => None,
            });
            vec![(name.clone(), or_null(finite.min().map(|moment| Expected::Exactly(moment.to_string()))))]
        }
        _ => vec![last],
    }
}

/// A key, and what the columns after it must be.
type Bucket = (Vec<Option<String>>, BTreeMap<String, Expected>);

/// A table: its name, its columns, and what it must hold.
type Table = (String, Vec<(String, Type)>, Vec<Bucket>);

/// What every table of tiers must hold for what was stored.
fn model(fixture: &Fixture, stored: &[Read], instances: &[i32]) -> Vec<Table> {
    let mut tables = Vec::new();
    for (suffix, width) in TIERS {
        let bucket_of = |cell: i64| (cell + width - 1).div_euclid(width) * width;
        for (set, (_, name, _)) in SETS.iter().enumerate() {
            let definition = fixture.definition(name);
            let is_divided = definition.columns.iter().any(|column| matches!(column.kind, Kind::Counter | Kind::Count));
            // Of each key and bucket: rows, covered time, and the parts of each column.
            let mut buckets: BTreeMap<Vec<Option<String>>, (i64, i64, Vec<Parts>)> = BTreeMap::new();
            for read in stored.iter().filter(|read| read.set == set && !read.error) {
                for (cell, from, upto, is_last) in read.pieces(is_divided) {
                    for row in &read.rows {
                        let mut key =
                            vec![Some(instances[read.instance].to_string()), Some(bucket_of(cell).to_string())];
                        key.extend(read.datid_read(&definition).map(|datid| Some(datid.to_string())));
                        for (at, _) in definition.columns.iter().enumerate().filter(|(_, c)| c.kind == Kind::Label) {
                            key.push(row.value(&definition, at).map(|value| match value {
                                Value::Int(value) => value.to_string(),
                                Value::Text(value) => value,
                                other => panic!("{other:?} is no label"),
                            }));
                        }
                        let bucket =
                            buckets.entry(key).or_insert_with(|| (0, 0, vec![Parts::new(); definition.columns.len()]));
                        bucket.0 += i64::from(is_last);
                        bucket.1 += upto - from;
                        for at in 0..definition.columns.len() {
                            if let Some(value) = row.value(&definition, at) {
                                let interval = read.interval.unwrap_or(0);
                                bucket.2[at].push((read.time, value, from, upto, interval, is_last));
                            }
                        }
                    }
                }
            }
            let mut columns = vec![("instance_id".to_owned(), Type::Int4), ("time".to_owned(), Type::Timestamptz)];
            if definition.scope == Scope::Database {
                columns.push(("datid_read".to_owned(), Type::Oid));
            }
            let labels = definition.columns.iter().filter(|column| column.kind == Kind::Label);
            columns.extend(labels.map(|column| (column.name.clone(), column.column_type)));
            columns.push(("raw_rows".to_owned(), Type::Int4));
            columns.push(("interval_us".to_owned(), Type::Int8));
            for column in definition.columns.iter().filter(|column| column.kind != Kind::Label) {
                let of_tiers = expected(column, &Parts::new());
                columns.extend(of_tiers.into_iter().map(|(name, _)| {
                    let keeps_type = !name.ends_with("_shares") && !name.ends_with("_sum") && !name.ends_with("_n");
                    (name, if keeps_type { column.column_type } else { Type::Text })
                }));
            }
            let rows = buckets.into_iter().map(|(key, (rows, covered, parts))| {
                let mut values = BTreeMap::from([
                    ("raw_rows".to_owned(), Expected::Exactly(rows.to_string())),
                    ("interval_us".to_owned(), Expected::Exactly(covered.to_string())),
                ]);
                for (column, parts) in definition.columns.iter().zip(&parts).filter(|(c, _)| c.kind != Kind::Label) {
                    values.extend(expected(column, parts));
                }
                (key, values)
            });
            tables.push((format!("{name}{suffix}"), columns, rows.collect()));
        }
        tables.push(readings_model(fixture, stored, instances, suffix, width));
        tables.push(cuts_model(stored, instances, suffix, width));
    }
    tables
}

fn readings_model(fixture: &Fixture, stored: &[Read], instances: &[i32], suffix: &str, width: i64) -> Table {
    let names = ["readings", "failures", "rows", "covered_us", "late_cycles"];
    let mut buckets: BTreeMap<Vec<Option<String>>, [i64; 5]> = BTreeMap::new();
    for read in stored {
        let definition = fixture.definition(SETS[read.set].1);
        for (cell, from, upto, is_last) in read.pieces(true) {
            let key = vec![
                Some(instances[read.instance].to_string()),
                Some(((cell + width - 1).div_euclid(width) * width).to_string()),
                Some(SETS[read.set].1.to_owned()),
                read.datid_read(&definition).map(|datid| datid.to_string()),
            ];
            let rows = if read.error { 0 } else { i64::try_from(read.rows.len()).unwrap() };
            let covered = if read.error { 0 } else { upto - from };
            let at_the_end = [i64::from(!read.error), i64::from(read.error), rows, 0, i64::from(read.late_cycles)];
            let sums = buckets.entry(key).or_default();
            for at in 0..5 {
                sums[at] += if is_last { at_the_end[at] } else { 0 };
            }
            sums[3] += covered;
        }
    }
    let mut columns = vec![
        ("instance_id".to_owned(), Type::Int4),
        ("time".to_owned(), Type::Timestamptz),
        ("set_name".to_owned(), Type::Text),
        ("datid".to_owned(), Type::Oid),
    ];
    columns.extend(names.map(|name| (name.to_owned(), Type::Int8)));
    let rows = buckets.into_iter().map(|(key, sums)| {
        (
            key,
            names
                .iter()
                .zip(sums)
                .map(|(name, sum)| ((*name).to_owned(), Expected::Exactly(sum.to_string())))
                .collect(),
        )
    });
    (format!("readings{suffix}"), columns, rows.collect())
}

fn cuts_model(stored: &[Read], instances: &[i32], suffix: &str, width: i64) -> Table {
    let mut buckets: BTreeMap<Vec<Option<String>>, (i64, Vec<i64>)> = BTreeMap::new();
    for read in stored {
        for (per, rows, ids) in &read.cuts {
            let key = vec![
                Some(instances[read.instance].to_string()),
                Some(((read.time + width - 1).div_euclid(width) * width).to_string()),
                Some(SETS[read.set].1.to_owned()),
                Some(per.to_string()),
            ];
            let cut = buckets.entry(key).or_default();
            cut.0 += i64::from(*rows);
            cut.1.extend(ids);
        }
    }
    let columns = [
        ("instance_id", Type::Int4),
        ("time", Type::Timestamptz),
        ("set_name", Type::Text),
        ("per", Type::Int8),
        ("rows", Type::Int8),
        ("ids", Type::Text),
    ];
    let rows = buckets.into_iter().map(|(key, (rows, mut ids))| {
        ids.sort_unstable();
        ids.dedup();
        let rows = ("rows".to_owned(), Expected::Exactly(rows.to_string()));
        (key, BTreeMap::from([rows, ("ids".to_owned(), Expected::Ids(ids))]))
    });
    (
        format!("cuts{suffix}"),
        columns.map(|(name, column_type)| (name.to_owned(), column_type)).to_vec(),
        rows.collect(),
    )
}

/// Compares every row of every tier with what the rule says of what was stored.
async fn compare(fixture: &Fixture, stored: &[Read]) {
    let ids = fixture.client.query("select id from metrics.instances order by name = 'two'", &[]).await.unwrap();
    let instances: Vec<i32> = ids.iter().map(|row| row.get(0)).collect();
    for (table, columns, expected) in model(fixture, stored, &instances) {
        let mut found: BTreeMap<Vec<Option<String>>, Vec<Option<String>>> = BTreeMap::new();
        let keys = expected.first().map_or(0, |(key, _)| key.len());
        for row in fixture.rows(&table, &columns).await {
            let (key, values) = row.split_at(keys);
            assert!(found.insert(key.to_vec(), values.to_vec()).is_none(), "{table}: {key:?} stands twice");
        }
        for (key, expected) in &expected {
            let Some(values) = found.remove(key) else { panic!("{table} lacks {key:?}") };
            for ((name, _), value) in columns.iter().skip(keys).zip(&values) {
                let expected = &expected[name];
                assert!(expected.is(value.as_ref()), "{table} {key:?}: {name} is {value:?}, not {expected:?}");
            }
        }
        assert!(found.is_empty(), "{table} has more: {found:?}");
    }
}

fn a_row() -> impl Strategy<Value = Row> {
    let word = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    let seeds = proptest::collection::vec(any::<u64>(), 20);
    (0..3_i64, word, seeds).prop_map(|(key, word, seeds)| Row { key, word, seeds })
}

/// Rows of one reading, each of another key.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(a_row(), 0..4).prop_map(|mut rows| {
        rows.sort_by_key(|row| (row.key, row.word));
        rows.dedup_by_key(|row| (row.key, row.word));
        rows
    })
}

fn a_read() -> impl Strategy<Value = Read> {
    let now = now().as_microsecond();
    let time = prop_oneof![
        3 => (0..40 * HOUR).prop_map(move |ago| now - ago),
        3 => (0..40 * 12_i64).prop_map(move |cells| (now - cells * CELL).div_euclid(CELL) * CELL),
        2 => (0..40 * 12_i64, -1..=1_i64).prop_map(move |(cells, off)| (now - cells * CELL).div_euclid(CELL) * CELL + off),
        1 => (0..2_i64).prop_map(move |days| now.div_euclid(DAY) * DAY - days * DAY),
    ];
    let interval = prop_oneof![
        2 => Just(None),
        4 => Just(Some(MINUTE)),
        2 => Just(Some(CELL)),
        2 => Just(Some(CELL + 1)),
        2 => (1..3 * HOUR).prop_map(Some),
        1 => (1..30 * HOUR).prop_map(Some),
    ];
    let cut = (0..2_i64, 1..9_u32, proptest::collection::vec(-3..3_i64, 0..4));
    let cuts = proptest::collection::vec(cut, 0..2);
    let error = prop_oneof![9 => Just(false), 1 => Just(true)];
    (0..SETS.len(), 0..2_usize, 1..3_i64, time, interval, error, 0..3_u32, cuts, rows()).prop_map(
        |(set, instance, datid, time, interval, error, late_cycles, cuts, rows)| {
            // A set without labels has one row.
            let rows = if set == 2 { rows.into_iter().take(1).collect() } else { rows };
            let rows = if set == 1 { one_per_key(rows) } else { rows };
            Read { set, instance, datid, time, interval, error, late_cycles, cuts, rows }
        },
    )
}

fn one_per_key(mut rows: Vec<Row>) -> Vec<Row> {
    rows.dedup_by_key(|row| row.key);
    rows
}

/// What happens: a batch, a batch that was stored before, or a roll-up some hours ago.
#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Read>),
    Again(usize),
    RollUp(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => proptest::collection::vec(a_read(), 1..5).prop_map(Step::Batch),
        1 => (0..8_usize).prop_map(Step::Again),
        2 => (0..30_i64).prop_map(Step::RollUp),
    ];
    proptest::collection::vec(step, 2..9)
}

#[test]
fn tiers_say_what_the_raw_rows_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        let run = async {
            let fixture = Fixture::new().await;
            let mut batches: Vec<Vec<Read>> = Vec::new();
            for step in steps {
                match step {
                    Step::Batch(readings) => {
                        batches.push(readings);
                        fixture.push(batches.len() as u64, &batches[batches.len() - 1]).await;
                    }
                    Step::Again(which) => {
                        if let Some(readings) = batches.get(which) {
                            fixture.push(which as u64 + 1, readings).await;
                        }
                    }
                    Step::RollUp(hours) => {
                        fixture.roll_up(now() - SignedDuration::from_hours(hours)).await;
                    }
                }
            }
            fixture.roll_up(far_later()).await;
            assert_eq!(fixture.count("due").await, 0);
            let stored: Vec<Read> = batches.into_iter().flatten().collect();
            compare(&fixture, &stored).await;
            assert_eq!(fixture.roll_up(far_later()).await, 0, "there is nothing left to do");
        };
        runtime.block_on(run);
        Ok(())
    });
    checked.unwrap();
}

/// Rows of some keys, the seeds of whose values begin with a number.
fn rows_of(keys: &[i64], first_seed: u64) -> Vec<Row> {
    let seeds = |key: i64| (0..20).map(|at| (first_seed + at * 7919 + key.unsigned_abs()) * 1_000_003).collect();
    keys.iter().map(|key| Row { key: *key, word: Some("a"), seeds: seeds(*key) }).collect()
}

fn read(set: usize, time: Timestamp, interval: i64, rows: Vec<Row>) -> Read {
    let time = time.as_microsecond();
    let cuts = Vec::new();
    Read { set, instance: 0, datid: 1, time, interval: Some(interval), error: false, late_cycles: 0, cuts, rows }
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

impl Fixture {
    /// Waits until so many backends wait for a lock; answers them.
    async fn waiting(&self, count: usize) -> Vec<i32> {
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

/// Three readings that are rolled up, so that the partitions are there, and three that are not.
async fn half_rolled_up(fixture: &Fixture) -> Vec<Read> {
    let readings = |ago_minutes: i64| (0..3).map(move |set| read(set, ago(ago_minutes), MINUTE, rows_of(&[1], 5)));
    let (first, second): (Vec<Read>, Vec<Read>) = (readings(100).collect(), readings(10).collect());
    fixture.push(1, &first).await;
    fixture.roll_up(ago(60)).await;
    fixture.push(2, &second).await;
    first.into_iter().chain(second).collect()
}

/// Begins a roll-up that waits in the middle: what is due is taken, and the first set made.
async fn held_roll_up(fixture: &Fixture, holder: &Client) -> tokio::task::JoinHandle<bool> {
    holder.simple_query("begin; lock table metrics.x_levels_5m in access exclusive mode").await.unwrap();
    let store = Arc::clone(&fixture.store);
    let rolling = tokio::spawn(async move { store.roll_up(far_later()).await.is_ok() });
    fixture.waiting(1).await;
    rolling
}

#[tokio::test]
async fn a_roll_up_that_dies_in_the_middle_leaves_all_as_it_was() {
    let fixture = Fixture::new().await;
    let stored = half_rolled_up(&fixture).await;
    let before = (fixture.count("x_all_5m").await, fixture.count("due").await);
    let holder = fixture.database.connect().await.unwrap();
    let rolling = held_roll_up(&fixture, &holder).await;
    for pid in fixture.waiting(1).await {
        holder.query_one("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
    }
    assert!(!rolling.await.unwrap(), "its connection is gone");
    holder.simple_query("rollback").await.unwrap();
    assert_eq!((fixture.count("x_all_5m").await, fixture.count("due").await), before);
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn what_commits_during_a_roll_up_is_in_the_next() {
    let fixture = Fixture::new().await;
    let mut stored = half_rolled_up(&fixture).await;
    let holder = fixture.database.connect().await.unwrap();
    let rolling = held_roll_up(&fixture, &holder).await;
    let during: Vec<Read> = (0..3).map(|set| read(set, ago(9), MINUTE, rows_of(&[1, 2], 6))).collect();
    fixture.push(3, &during).await;
    holder.simple_query("rollback").await.unwrap();
    assert!(rolling.await.unwrap());
    stored.extend(during);
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn rows_that_commit_after_a_roll_up_began_before_it_ended_are_not_missed() {
    let fixture = Fixture::new().await;
    let mut stored = vec![read(0, ago(10), MINUTE, rows_of(&[1], 5))];
    fixture.push(1, &stored).await;
    // The last row that ingest writes: the batch's rows are there, and not yet committed.
    let holder = fixture.database.connect().await.unwrap();
    holder.simple_query("begin; select from metrics.collectors for update").await.unwrap();
    let late = read(0, ago(9), MINUTE, rows_of(&[1, 2], 6));
    let readings = [late.clone()];
    let let_go = async {
        fixture.waiting(1).await;
        fixture.roll_up(far_later()).await;
        holder.simple_query("rollback").await.unwrap();
    };
    tokio::join!(fixture.push(2, &readings), let_go);
    assert_eq!(fixture.count("due").await, 1);
    stored.push(late);
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn two_servers_make_them_once() {
    let fixture = Fixture::new().await;
    let other = open_tiers(&fixture.database).await;
    let stored: Vec<Read> =
        (0..40).map(|at| read(0, ago(at * 30), 20 * MINUTE, rows_of(&[1, 2], at.unsigned_abs()))).collect();
    fixture.push(1, &stored).await;
    let until_done = async |store: &Store| while store.roll_up(far_later()).await.unwrap().is_left {};
    tokio::join!(until_done(&fixture.store), until_done(&other));
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn a_store_with_rows_and_without_tiers_gets_them() {
    let fixture = Fixture::new().await;
    let midnight = "2026-03-10T00:00:00Z".parse().unwrap();
    let stored = [
        read(0, ago(10), MINUTE, rows_of(&[1], 5)),
        read(1, ago(3000), 2 * DAY, rows_of(&[1], 6)),
        read(2, ago(40), MINUTE, rows_of(&[1], 7)),
        read(0, midnight, MINUTE, rows_of(&[2], 8)),
    ];
    fixture.push(1, &stored).await;
    let tiers = "select string_agg(format('drop table metrics.%I', relname), ';') from pg_class
                 where relkind = 'p' and relnamespace = 'metrics'::regnamespace and relname ~ '_(5m|1h|1d)$'";
    let drop: String = fixture.client.query_one(tiers, &[]).await.unwrap().get(0);
    fixture.client.simple_query(&drop).await.unwrap();
    fixture.client.simple_query("drop table metrics.due, metrics.gone").await.unwrap();
    let fixture = Fixture { store: open_tiers(&fixture.database).await, ..fixture };
    fixture.roll_up(far_later()).await;
    compare(&fixture, &stored).await;
    open_tiers(&fixture.database).await;
    assert_eq!(fixture.count("due").await, 0, "a later start makes nothing due");
}

#[tokio::test]
async fn what_comes_after_its_day_went_is_added() {
    let fixture = Fixture::new().await;
    let midnight = "2026-03-10T00:00:00Z".parse::<Timestamp>().unwrap();
    let before = midnight - SignedDuration::from_mins(2);
    // The later of two rows comes first, so that what is the last of a bucket does not depend on who came when.
    let mut stored = vec![
        read(0, midnight, MINUTE, rows_of(&[1, 2], 5)),
        read(0, before, MINUTE, rows_of(&[1, 2], 6)),
        read(1, before, 20 * MINUTE, rows_of(&[1, 2], 7)),
    ];
    fixture.push(1, &stored).await;
    let later = now() + SignedDuration::from_hours(24 * 7);
    fixture.store.keep_house(later).await.unwrap();
    assert_eq!(fixture.count("x_all").await, 4, "its tiers are not made yet");
    fixture.roll_up(later).await;
    fixture.store.keep_house(later).await.unwrap();
    assert_eq!(fixture.count("x_all").await, 0, "the last cell of the day went with it");
    assert_eq!(fixture.count("gone where table_name = 'x_all' and until = '2026-03-10T00:00:00Z'").await, 1);
    let late = [
        read(0, before - SignedDuration::from_secs(30), MINUTE, rows_of(&[1, 3], 8)),
        read(0, before - SignedDuration::from_mins(70), MINUTE, rows_of(&[1, 3], 9)),
        read(1, before - SignedDuration::from_secs(30), 30 * MINUTE, rows_of(&[1, 3], 10)),
        // Of a day that is still there, and from when the day that went was not over.
        read(1, midnight + SignedDuration::from_mins(7), 70 * MINUTE, rows_of(&[1, 3], 11)),
        read(0, midnight + SignedDuration::from_mins(7), DAY, rows_of(&[3], 12)),
    ];
    for (at, one) in late.into_iter().enumerate() {
        fixture.push_at(at as u64 + 2, std::slice::from_ref(&one), later).await;
        stored.push(one);
        if at % 2 == 1 {
            fixture.roll_up(later).await;
            fixture.store.keep_house(later).await.unwrap();
        }
    }
    fixture.roll_up(later).await;
    compare(&fixture, &stored).await;
}

#[tokio::test]
async fn a_column_that_comes_later_is_null_before() {
    let fixture = Fixture::new().await;
    let old = read(2, ago(100), MINUTE, rows_of(&[1], 5));
    fixture.push(1, std::slice::from_ref(&old)).await;
    fixture.roll_up(ago(60)).await;
    let mut newer = fixture.definition("x_levels");
    newer.columns.push(catalog::Column {
        name: "moved".to_owned(),
        ..fixture.definition("x_db").column("calls").unwrap().1.clone()
    });
    let other = open_tiers(&fixture.database).await;
    other.add_definition(newer, CustomSets::Accept).await.unwrap();
    let columns = [("moved".to_owned(), Type::Int8)];
    assert_eq!(fixture.rows("x_levels_5m", &columns).await, [[None]]);
    let id: i32 =
        fixture.client.query_one("select id from metrics.instances where name = 'one'", &[]).await.unwrap().get(0);
    let sql =
        "insert into metrics.x_levels (instance_id, time, interval_us, size, moved) values ($1, $2, 60000000, 1, 42)";
    fixture.client.execute(sql, &[&id, &ago(3)]).await.unwrap();
    fixture.push(2, &[read(2, ago(4), MINUTE, rows_of(&[], 5))]).await;
    // This server was not told of the column.
    fixture.roll_up(far_later()).await;
    let mut moved = fixture.rows("x_levels_1h", &columns).await;
    moved.sort();
    assert_eq!(moved, [[None], [Some("42".to_owned())]]);
}

#[tokio::test]
async fn no_value_stops_a_roll_up() {
    let fixture = Fixture::new().await;
    let definition = fixture.definition("x_all");
    let mut frame = Frame::new(&definition);
    for (calls, work) in [(i64::MAX, f64::MAX), (i64::MAX, f64::MAX), (1, f64::MIN_POSITIVE / 4.0)] {
        for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            match meaning.name.as_str() {
                "key" | "few" => column.push_int(1),
                "calls" | "spent" => column.push_int(calls),
                "level" => column.push_int(-calls),
                "work" => column.push_float(work),
                "ratio" => column.push_float(-work),
                _ => column.push_null(),
            }
        }
        frame.rows += 1;
    }
    let moments = [(ago(10), 60_000_000), (ago(3), u64::try_from(i64::MAX).unwrap()), (ago(3), 400_000_000)];
    for (sequence, (time, interval)) in moments.into_iter().enumerate() {
        let mut reading = read(0, time, 0, Vec::new()).encode(&definition);
        reading.interval_us = Some(interval);
        reading.encode_rows(&frame);
        let batch = Batch {
            format: BATCH_FORMAT,
            collector_id: fixture.collector.as_bytes().to_vec(),
            epoch: fixture.epoch.as_bytes().to_vec(),
            sequence: sequence as u64 + 1,
            created_us: now().as_microsecond(),
            instances: vec![Instance { name: "one".to_owned(), ..Instance::default() }],
            readings: vec![reading],
            ..Batch::default()
        };
        let body = Bytes::from(batch.encode_to_vec());
        let room = fixture.ingest.admit(fixture.collector, body.len() as u64).unwrap();
        let (encoding, compression) = (Encoding::Protobuf, Compression::None);
        let push = Push { collector_id: fixture.collector, room, encoding, compression, body, now: now() };
        assert_eq!(fixture.ingest.push(push).await.unwrap().rejected, []);
    }
    fixture.roll_up(far_later()).await;
    assert_eq!(fixture.count("due").await, 0);
    let sums = "select sum(few)::text, min(level_min)::text from metrics.x_all_1d";
    let row = fixture.client.query_one(sums, &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("9", (-i64::MAX).to_string().as_str()));
}

#[tokio::test]
async fn names_of_tiers_are_not_for_sets_and_one_that_was_there_before_has_none() {
    let fixture = Fixture::new().await;
    let mut taken = fixture.definition("x_levels");
    taken.name = "x_mine_1h".to_owned();
    let refused = fixture.store.add_definition(taken.clone(), CustomSets::Accept).await.unwrap_err().to_string();
    assert!(refused.contains("_5m, _1h, _1d"), "{refused}");
    let mut twice = fixture.definition("x_levels");
    twice.name = "x_mine".to_owned();
    let size = twice.column("size").unwrap().1.clone();
    twice.columns.push(catalog::Column { name: "size_max".to_owned(), ..size });
    let refused = fixture.store.add_definition(twice.clone(), CustomSets::Accept).await.unwrap_err().to_string();
    assert!(refused.contains("size_max stands twice"), "{refused}");
    // As an older server took them.
    for definition in [taken, twice] {
        let stored = serde_json::to_value(&definition).unwrap();
        let sql = "insert into metrics.definitions (hash, set_name, definition) values ($1, $2, $3)";
        let hash = definition.hash().0.to_vec();
        fixture.client.execute(sql, &[&hash, &definition.name, &stored]).await.unwrap();
    }
    let store = open_tiers(&fixture.database).await;
    assert!(store.definitions().set("x_mine").is_some() && store.definitions().set("x_mine_1h").is_some());
    let sql = "select to_regclass('metrics.x_mine') is not null, to_regclass('metrics.x_mine_5m') is null,
               to_regclass('metrics.x_mine_1h_5m') is not null";
    let row = fixture.client.query_one(sql, &[]).await.unwrap();
    assert_eq!([0, 1, 2].map(|at| row.get::<_, bool>(at)), [true; 3]);
    let known = store.definitions().set("x_mine").unwrap().definition.clone();
    store.add_definition(known, CustomSets::Accept).await.unwrap();
}

#[tokio::test]
async fn each_tier_goes_in_its_time() {
    let fixture = Fixture::new().await;
    fixture.push(1, &[read(0, ago(10), MINUTE, rows_of(&[1], 5))]).await;
    fixture.roll_up(far_later()).await;
    let left = async |days: i64| {
        fixture.store.keep_house(now() + SignedDuration::from_hours(24 * days)).await.unwrap();
        let mut counts = Vec::new();
        for table in ["x_all", "x_all_5m", "x_all_1h", "x_all_1d", "readings_1d"] {
            counts.push(fixture.count(table).await);
        }
        counts
    };
    assert_eq!(left(6).await, [1, 1, 1, 1, 1]);
    assert_eq!(left(9).await, [0, 1, 1, 1, 1]);
    assert_eq!(left(90).await, [0, 1, 1, 1, 1], "the month is not over for 90 days");
    assert_eq!(left(130).await, [0, 0, 1, 1, 1]);
    assert_eq!(left(731 + 366).await, [0, 0, 0, 1, 1]);
    assert_eq!(left(1827 + 366).await, [0, 0, 0, 0, 0]);
}
