//! A server with a collector that delivers whatever a test says of one instance.

use std::sync::atomic::{AtomicU64, Ordering};

use catalog::{Definition, Type};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use serde_json::{Value, json};
use server::Clock;
use server::accounts::Role;
use uuid::Uuid;
use wire::{
    Attributes, BATCH_FORMAT, Batch, Cut, Flag, FlagReason, Frame, Instance, Reading, SetState, State, StateCode,
};

use crate::support::{Answer, Server};

/// The instance's first and, in most tests, only one.
pub(crate) const INSTANCE: &str = "/instances/1";

pub(crate) struct Watched {
    pub(crate) server: Server,
    pub(crate) viewer: String,
    pub(crate) collector: Uuid,
    pub(crate) token: String,
    epoch: Uuid,
    sequence: AtomicU64,
}

impl Watched {
    /// A primary with `pg_stat_statements` 1.10 and `track = top`, at 12:00 on 2026-03-01.
    pub(crate) async fn new() -> Self {
        let watched = Self::silent().await;
        watched.told(primary()).await;
        watched
    }

    /// Nothing was delivered yet.
    pub(crate) async fn silent() -> Self {
        let server = Server::measuring(&[("RATE_LIMIT_USER_PER_MINUTE", "100000")]).await;
        let (collector, token) = server.collector("watcher").await;
        let viewer = server.signed_in(Role::Viewer).await;
        Self { server, viewer, collector, token, epoch: Uuid::now_v7(), sequence: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.server.clock.now()
    }

    pub(crate) fn definition(&self, set: &str) -> Definition {
        self.server.app.catalog.get(set).unwrap().definition.clone()
    }

    /// A reading that ended at this time of 2026-03-01, over so many seconds.
    pub(crate) fn reading(&self, set: &str, time: &str, seconds: Option<u64>, rows: &[Value]) -> Reading {
        let definition = self.definition(set);
        let time_us = at(time).as_microsecond();
        let mut reading = Reading {
            set: set.to_owned(),
            definition: definition.hash().0.to_vec(),
            started_us: time_us - 1000,
            time_us,
            interval_us: seconds.map(|seconds| seconds * 1_000_000),
            duration_us: 500,
            ..Reading::default()
        };
        reading.encode_rows(&frame(&definition, rows));
        reading
    }

    pub(crate) fn batch(&self, readings: Vec<Reading>) -> Batch {
        Batch {
            format: BATCH_FORMAT,
            collector_id: self.collector.as_bytes().to_vec(),
            epoch: self.epoch.as_bytes().to_vec(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            created_us: self.now().as_microsecond(),
            collector_version: "4.0.0".to_owned(),
            hostname: "db-1.example".to_owned(),
            instances: vec![Instance { name: "prod-1".to_owned(), ..Instance::default() }],
            readings,
            ..Batch::default()
        }
    }

    pub(crate) async fn push(&self, batch: Batch) {
        let call = self.server.post("/metrics/push").bearer(&self.token);
        let call = call.header("Content-Type", "application/x-protobuf").body(batch.encode_to_vec());
        let answer = call.send().await.expect(202);
        assert_eq!(answer["rejected"], json!([]), "{answer}");
    }

    pub(crate) async fn deliver(&self, readings: Vec<Reading>) {
        self.push(self.batch(readings)).await;
    }

    /// What the instance says of itself.
    pub(crate) async fn told(&self, attributes: Attributes) {
        let mut batch = self.batch(Vec::new());
        batch.instances[0].attributes = Some(attributes);
        self.push(batch).await;
    }

    pub(crate) async fn states(&self, states: Vec<SetState>) {
        let mut batch = self.batch(Vec::new());
        batch.instances[0].states = states;
        self.push(batch).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.server.get(path).bearer(&self.viewer).send().await
    }

    /// Below the instance, with 200.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.get(&format!("{INSTANCE}{path}")).await.expect(200)
    }
}

pub(crate) fn primary() -> Attributes {
    Attributes {
        system_identifier: "7301".to_owned(),
        version_num: 150_004,
        version: "15.4".to_owned(),
        role: "primary".to_owned(),
        host: "db-1.example".to_owned(),
        port: 5432,
        timeline: Some(3),
        postmaster_start_us: at("08:00:00").as_microsecond(),
        clock_offset_us: None,
        max_connections: Some(100),
        track: Some("top".to_owned()),
        statements_version: Some("1.10".to_owned()),
    }
}

pub(crate) fn state(set: &str, column: &str, how: State, code: StateCode, message: &str, fix: &str) -> SetState {
    SetState {
        set: set.to_owned(),
        column: column.to_owned(),
        state: how as i32,
        code: code as i32,
        message: message.to_owned(),
        fix: fix.to_owned(),
    }
}

/// A time of 2026-03-01 in UTC; `-` before it means the day before.
pub(crate) fn at(time: &str) -> Timestamp {
    let (day, time) = time.strip_prefix('-').map_or((0, time), |rest| (-1, rest));
    let moment: Timestamp = format!("2026-03-01T{time}Z").parse().unwrap();
    moment + SignedDuration::from_hours(24 * day)
}

/// Rows by the names of columns; a name that is no column is a mistake of the test.
pub(crate) fn frame(definition: &Definition, rows: &[Value]) -> Frame {
    let mut frame = Frame::new(definition);
    for row in rows {
        let mut values = row.as_object().unwrap().clone();
        for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            match (values.remove(&meaning.name), meaning.column_type) {
                (None | Some(Value::Null), _) => column.push_null(),
                (Some(Value::Bool(value)), _) => column.push_bool(value),
                (Some(Value::String(text)), Type::Timestamptz) => column.push_int(at(&text).as_microsecond()),
                (Some(Value::String(text)), _) => column.push_text(&text),
                (Some(Value::Number(number)), Type::Float8) => column.push_float(number.as_f64().unwrap()),
                (Some(Value::Number(number)), _) => column.push_int(number.as_i64().unwrap()),
                (Some(other), _) => panic!("{}: {other}", meaning.name),
            }
        }
        assert!(values.is_empty(), "no such columns: {values:?}");
        frame.rows += 1;
    }
    frame
}

/// A statement's row: role, database, queryid, calls, microseconds.
pub(crate) fn statement(userid: i64, dbid: i64, queryid: i64, calls: i64, us: i64) -> Value {
    json!({"userid": userid, "dbid": dbid, "queryid": queryid, "toplevel": true, "calls": calls,
           "total_exec_time": us, "rows": calls * 2})
}

/// The same with other values in some columns.
pub(crate) fn with(mut row: Value, values: Value) -> Value {
    let Value::Object(values) = values else { panic!("{values}") };
    row.as_object_mut().unwrap().extend(values);
    row
}

pub(crate) fn cut(per: i64, ids: &[i64]) -> Cut {
    Cut { per, rows: u32::try_from(ids.len()).unwrap(), ids: ids.to_vec() }
}

pub(crate) fn flag(reason: FlagReason, start: &str, end: &str) -> Flag {
    Flag {
        reason: reason as i32,
        start_us: at(start).as_microsecond(),
        end_us: at(end).as_microsecond(),
        ..Flag::default()
    }
}
