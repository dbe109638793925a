//! Tiers say what the raw rows say: by a rule that is written down here a second time, without SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::ingest::{Compression, Encoding, Ingest, Push};
use ::store::{CustomSets, PoolSettings, Store, open};
use bytes::Bytes;
use catalog::{Catalog, Definition, Kind, Scope, Type};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
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
        if seed % 5 == 0 {
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
            Type::Int8 | Type::Lsn | Type::Duration if column.kind == Kind::Gauge && seed % 3 == 0 => {
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
            Type::Bool => Value::Bool(seed % 2 == 0),
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

type Bucket = (Vec<Option<String>>, BTreeMap<String, Expected>);

/// What every table of tiers must hold for what was stored.
fn model(fixture: &Fixture, stored: &[Read], instances: &[i32]) -> Vec<(String, Vec<(String, Type)>, Vec<Bucket>)> {
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

fn readings_model(
    fixture: &Fixture,
    stored: &[Read],
    instances: &[i32],
    suffix: &str,
    width: i64,
) -> (String, Vec<(String, Type)>, Vec<Bucket>) {
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

fn cuts_model(
    stored: &[Read],
    instances: &[i32],
    suffix: &str,
    width: i64,
) -> (String, Vec<(String, Type)>, Vec<Bucket>) {
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
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
