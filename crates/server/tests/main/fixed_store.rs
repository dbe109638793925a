//! A store that is the same at every run: two hours of a primary and half an hour of its standby, with every set, made
//! from the catalogue alone. It has what answers differ by: another interval in each hour, ten minutes that nobody read,
//! a reading longer than a step, values that were not measured, a reset, rows that a limit cut, a set that fails.

use catalog::{Column, Definition, Kind, Scope, Type};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use wire::{Attributes, Batch, FlagReason, Instance, Reading, State, StateCode};

use crate::watched::{Watched, at, cut, flag, primary, state};

pub(crate) const DATABASES: [i64; 2] = [5, 16_384];
/// Rows in each reading.
const ROWS: usize = 3;
const PRIMARY: u32 = 0;
const STANDBY: u32 = 1;

/// Fills the store up to 12:00 of the tests' day.
pub(crate) async fn fill(watched: &Watched) {
    watched.push(instances(watched)).await;
    for minute in (2..60).step_by(2) {
        watched.push(cycle(watched, &at("10:00:00"), minute, 2)).await;
    }
    for minute in (1..=60).filter(|minute| !(21..30).contains(minute)) {
        watched.push(cycle(watched, &at("11:00:00"), minute, 1)).await;
    }
    let mut batch = instances(watched);
    let denied = "pg_read_all_stats is missing";
    batch.instances[0].states = vec![
        state("pg_stat_wal", "", State::Missing, StateCode::Privilege, denied, "grant pg_monitor to watcher"),
        state("pg_stat_statements", "wal_buffers_full", State::Missing, StateCode::Version, "before 18", ""),
    ];
    watched.push(batch).await;
    // What follows the store's own clock, or chance.
    let client = watched.server.app.metrics.get().await.unwrap();
    let same = "update metrics.collectors set received_at = '2026-03-01 12:00Z', lag_us = 1000;
        update metrics.instances set last_seen = '2026-03-01 12:00Z';
        update metrics.jobs set next_at = '2026-03-01 12:00Z';
        update pganalytics.users set username = 'viewer' where username like 'viewer-%'";
    client.simple_query(same).await.unwrap();
}

fn instances(watched: &Watched) -> Batch {
    let mut batch = watched.batch(Vec::new());
    let standby = Attributes { role: "standby".to_owned(), host: "db-2.example".to_owned(), ..primary() };
    batch.instances = vec![
        Instance { name: "prod-1".to_owned(), attributes: Some(primary()), ..Instance::default() },
        Instance { name: "prod-2".to_owned(), attributes: Some(standby), ..Instance::default() },
    ];
    batch
}

/// Everything that is read at one minute; what is due every five minutes only then.
fn cycle(watched: &Watched, hour: &Timestamp, minute: i64, minutes: u64) -> Batch {
    let time = *hour + SignedDuration::from_mins(minute);
    let mut readings = Vec::new();
    for set in watched.server.app.catalog.sets() {
        let definition = &set.definition;
        let seconds = u64::from(set.interval_seconds).max(60 * minutes);
        let is_due = time.as_second() % i64::try_from(seconds).unwrap() == 0;
        if !is_due || definition.name == "pg_stat_wal" && minute > 50 {
            continue;
        }
        let mut databases = if definition.scope == Scope::Database { DATABASES.map(Some).to_vec() } else { vec![None] };
        for (position, datid) in databases.drain(..).enumerate() {
            let mut reading = made(watched, definition, time, seconds, position);
            reading.datid = datid;
            readings.push(reading);
        }
        // The standby was found at half past ten.
        if definition.scope != Scope::Database && time > at("11:30:00") {
            let reading = made(watched, definition, time, seconds, ROWS);
            readings.push(Reading { instance: STANDBY, ..reading });
        }
    }
    let mut batch = instances(watched);
    batch.readings = readings;
    batch
}

fn made(watched: &Watched, definition: &Definition, time: Timestamp, seconds: u64, salt: usize) -> Reading {
    let clock = time.strftime("%H:%M:%S").to_string();
    let rows: Vec<Value> = (0..how_many(definition)).map(|row| made_row(definition, time, row, salt)).collect();
    let mut reading = watched.reading(&definition.name, &clock, Some(seconds), &rows);
    reading.instance = PRIMARY;
    if definition.name == "pg_stat_statements" {
        // The collector stood still from 11:20 to 11:30, and what it counted meanwhile lies in one reading.
        if clock == "11:30:00" {
            reading.interval_us = Some(600_000_000);
        }
        if clock == "11:40:00" {
            reading.flags = vec![flag(FlagReason::Reset, "11:39:00", "11:40:00")];
        }
        reading.cuts = vec![cut(DATABASES[0], &[900, 901])];
    }
    reading
}

fn how_many(definition: &Definition) -> usize {
    if definition.columns.iter().any(|column| column.kind == Kind::Label) { ROWS } else { 1 }
}

fn made_row(definition: &Definition, time: Timestamp, row: usize, salt: usize) -> Value {
    let mut values = Map::new();
    for (position, column) in definition.columns.iter().enumerate() {
        values.insert(column.name.clone(), made_value(column, position, time, row, salt));
    }
    if definition.name == "pg_settings" {
        let (name, setting, unit) =
            [("block_size", "8192", ""), ("max_connections", "100", ""), ("autovacuum_naptime", "60", "s")][row];
        values.extend([
            ("name".to_owned(), json!(name)),
            ("setting".to_owned(), json!(setting)),
            ("unit".to_owned(), json!(unit)),
        ]);
    }
    Value::Object(values)
}

/// Sessions, databases, roles, relations have the same labels in every set; the rest follows from where it stands.
fn made_value(column: &Column, position: usize, time: Timestamp, row: usize, salt: usize) -> Value {
    let number = i64::try_from(row).unwrap();
    let minute = time.as_second() / 60;
    match (column.name.as_str(), column.column_type) {
        ("datid" | "dbid" | "lock_datid", _) => return json!(DATABASES[row % DATABASES.len()]),
        ("datname", _) => return json!(["shop", "crm", "postgres"][row]),
        ("userid" | "roleid", _) => return json!(10 + number),
        ("rolname" | "usename", _) => return json!(["app", "etl", "watcher"][row]),
        ("relid", _) => return json!(20_000 + number),
        ("indexrelid", _) => return json!(30_000 + number),
        ("pid", _) => return json!(4711 + number),
        // A chain: the third is nobody's.
        ("blocker_pid", _) => return json!(4712 + number),
        ("queryid" | "query_id", _) => return json!(1001 + number),
        ("toplevel", _) => return json!(row < 2),
        ("state" | "blocker_state", _) => return json!(["active", "idle in transaction", "active"][row]),
        ("backend_type", _) => return json!("client backend"),
        ("relkind", _) => return json!(if position > 3 { "i" } else { "r" }),
        ("query" | "blocker_query", _) => return json!(format!("select {row} from orders")),
        ("set_name", _) => return json!(["wal", "sessions", "pg_stat_statements"][row]),
        ("in_recovery", _) => return json!(salt == ROWS),
        ("leader_pid", _) => return Value::Null,
        _ => {}
    }
    // What one reading has and another has not.
    let is_missing = (i64::try_from(position + row + salt).unwrap() + minute) % 17 == 0;
    if is_missing && !matches!(column.kind, Kind::Label | Kind::Info | Kind::Text) {
        return Value::Null;
    }
    let figure = number + 1 + i64::try_from(position + salt).unwrap();
    match column.column_type {
        Type::Bool => json!((position + row).is_multiple_of(2)),
        Type::Text => json!(format!("{} {row}", column.name)),
        Type::Timestamptz if column.kind == Kind::Label => json!("08:30:00"),
        Type::Timestamptz => json!((time - SignedDuration::from_mins(figure)).strftime("%H:%M:%S").to_string()),
        Type::Duration => json!(figure * (1000 + minute % 60)),
        Type::Float8 => json!(0.25 * f64::from(i32::try_from(figure).unwrap())),
        Type::Lsn => json!(figure * 1_000_000 + minute % 120 * 1000),
        Type::Int4 | Type::Int8 | Type::Oid if column.kind == Kind::Label => json!(figure),
        Type::Int4 | Type::Int8 | Type::Oid => json!(figure * 60 + minute % 60),
    }
}
