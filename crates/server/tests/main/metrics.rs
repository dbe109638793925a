//! A batch over HTTP, and what is answered about it.

use catalog::Definition;
use prost::Message;
use serde_json::json;
use server::Clock;
use server::accounts::Role;
use uuid::Uuid;
use wire::{BATCH_FORMAT, Batch, Discarded, Frame, Instance, Reading, Status, compress};

use crate::support::{Answer, Server};

pub(crate) struct Measured {
    pub(crate) server: Server,
    viewer: String,
    pub(crate) collector: Uuid,
    pub(crate) token: String,
    epoch: Uuid,
}

impl Measured {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let server = Server::measuring(settings).await;
        let (collector, token) = server.collector("measured").await;
        let viewer = server.signed_in(Role::Viewer).await;
        Self { server, viewer, collector, token, epoch: Uuid::now_v7() }
    }

    pub(crate) fn definition(&self, set: &str) -> Definition {
        self.server.app.catalog.get(set).unwrap().definition.clone()
    }

    pub(crate) fn batch(&self, sequence: u64) -> Batch {
        Batch {
            format: BATCH_FORMAT,
            collector_id: self.collector.as_bytes().to_vec(),
            epoch: self.epoch.as_bytes().to_vec(),
            sequence,
            created_us: self.server.clock.now().as_microsecond(),
            collector_version: "4.1.0".to_owned(),
            hostname: "db-2.example".to_owned(),
            instances: vec![Instance { name: "one".to_owned(), ..Instance::default() }],
            ..Batch::default()
        }
    }

    /// Statements with this queryid and so many calls each, the rows so many seconds before now.
    pub(crate) fn statements(&self, definition: &Definition, seconds_ago: i64, calls: &[i64]) -> Reading {
        let mut frame = Frame::new(definition);
        for (nth, calls) in (0_i64..).zip(calls) {
            for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
                let column = column.as_mut().unwrap();
                match meaning.name.as_str() {
                    "userid" => column.push_int(10),
                    "dbid" => column.push_int(5),
                    "queryid" => column.push_int(i64::MIN + nth),
                    "toplevel" => column.push_bool(true),
                    "calls" => column.push_int(*calls),
                    "total_exec_time" => column.push_int(1_500),
                    _ => column.push_null(),
                }
            }
            frame.rows += 1;
        }
        let time_us = self.server.clock.now().as_microsecond() - seconds_ago * 1_000_000;
        let mut reading = Reading {
            set: definition.name.clone(),
            definition: definition.hash().0.to_vec(),
            started_us: time_us - 1000,
            time_us,
            interval_us: Some(10_000_000),
            ..Reading::default()
        };
        reading.encode_rows(&frame);
        reading
    }

    pub(crate) async fn push(&self, batch: &Batch) -> Answer {
        let body = compress(&batch.encode_to_vec()).unwrap();
        let call = self.server.post("/metrics/push").bearer(&self.token);
        let call = call.header("Content-Type", "application/x-protobuf").header("Content-Encoding", "zstd");
        call.body(body).send().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.server.get(path).bearer(&self.viewer).send().await
    }
}

#[tokio::test]
async fn what_is_pushed_can_be_read_counted_and_watched() {
    let measured = Measured::new().await;
    let definition = measured.definition("pg_stat_statements");
    let mut batch = measured.batch(1);
    batch.readings.push(measured.statements(&definition, 25, &[1, 2]));
    batch.readings.push(measured.statements(&definition, 15, &[10, 20]));
    batch.readings.push(measured.statements(&definition, 5, &[100, 200]));
    batch.discarded =
        vec![Discarded { set: "pg_stat_statements".to_owned(), reason: "spool_full".to_owned(), rows: 2, readings: 1 }];
    batch.status = Some(Status { spool_records: 1, spool_bytes: 700, spool_max_bytes: 1 << 30, ..Status::default() });
    let answer = measured.push(&batch).await.expect(202);
    assert_eq!((&answer["rows_inserted"], &answer["duplicate"]), (&json!(6), &json!(false)));
    assert_eq!(answer["rows_by_set"], json!({"pg_stat_statements": 6}));
    assert!(answer["processing_time_ms"].as_f64().unwrap() > 0.0 && answer.get("said").is_none(), "{answer}");
    assert_eq!(measured.push(&batch).await.expect(202)["duplicate"], true);

    let path = "/metrics?set=pg_stat_statements&columns=queryid,calls,total_exec_time,plans";
    let rows = measured.get(&format!("{path}&database=5&limit=2")).await.expect(200);
    assert_eq!(rows["count"], 2);
    assert_eq!(rows["columns"][2]["unit"], "microseconds");
    let newest = &rows["data"][0];
    assert_eq!(newest["time"], "2026-03-01T11:59:55Z");
    assert_eq!((&newest["interval_ms"], &newest["plans"]), (&json!(10_000.0), &json!(null)));
    assert_eq!(newest["queryid"], "-9223372036854775808");
    assert_eq!((&newest["calls"], &newest["total_exec_time"]), (&json!(100), &json!(1_500)));
    assert_eq!(measured.get(&format!("{path}&database=6")).await.expect(200)["count"], 0);

    let steps =
        measured.get(&format!("{path}&start=2026-03-01T11:59:30Z&end=2026-03-01T12:00:00Z&step=15")).await.expect(200);
    let summed: Vec<_> =
        steps["data"].as_array().unwrap().iter().map(|row| (row["time"].clone(), row["calls"].clone())).collect();
    let (early, late) = (json!("2026-03-01T11:59:45Z"), json!("2026-03-01T12:00:00Z"));
    assert_eq!(
        summed,
        [(late.clone(), json!(100)), (late, json!(200)), (early.clone(), json!(11)), (early, json!(22))],
        "the end of an interval decides where it belongs"
    );

    let counts = measured.get("/metrics/count").await.expect(200);
    assert_eq!((&counts["count"], &counts["sets"]["pg_stat_statements"]["rows"]), (&json!(6), &json!(6)));
    assert_eq!(counts["sets"]["pg_stat_statements"]["last_sample"], "2026-03-01T11:59:55Z");

    let health = measured.get("/metrics/health").await.expect(200);
    let delivery = &health["data"][0];
    assert_eq!((&delivery["name"], &delivery["hostname"]), (&json!("measured"), &json!("db-2.example")));
    assert_eq!(
        delivery["spool"],
        json!({"records": 0, "bytes": 0, "max_bytes": 1 << 30, "error": null, "error_since": null, "unspooled_cycles": 0})
    );
    assert_eq!(delivery["instances"][0]["last_reading_started"], "2026-03-01T11:59:54.999Z");
    assert_eq!(delivery["instances"][0]["sets"][0]["set"], "pg_stat_statements");
    assert!(delivery["lag_ms"].is_number() && delivery["errors"] == json!([]), "{delivery}");
    let collector = measured.get(&format!("/collectors/{}", measured.collector)).await.expect(200);
    assert_eq!((&collector["version"], &collector["hostname"]), (&json!("4.1.0"), &json!("db-2.example")));
    assert_eq!((&collector["instances"], &collector["errors"]), (&json!(1), &json!(0)));
    let lost: i64 = delivery["discarded"].as_array().unwrap().iter().map(|one| one["rows"].as_i64().unwrap()).sum();
    assert_eq!((&collector["discarded_rows"], &collector["lag_ms"]), (&json!(lost), &delivery["lag_ms"]));
    let listed = measured.get("/collectors").await.expect(200);
    assert_eq!(listed["data"][0]["instances"], json!(1));
}

#[tokio::test]
async fn a_push_is_refused_in_the_words_of_the_contract() {
    let measured = Measured::new().await;
    let definition = measured.definition("pg_stat_statements");
    let mut batch = measured.batch(1);
    batch.readings.push(measured.statements(&definition, 5, &[1]));
    let zstd = compress(&batch.encode_to_vec()).unwrap();
    let call = |kind: &str| measured.server.post("/metrics/push").bearer(&measured.token).header("Content-Type", kind);
    let protobuf = || call("application/x-protobuf");

    let cut = zstd[..zstd.len() - 4].to_vec();
    protobuf().header("Content-Encoding", "zstd").body(cut).send().await.refused(400, "invalid_body");
    protobuf().header("Content-Encoding", "gzip").body(zstd.clone()).send().await.refused(400, "invalid_body");
    let bomb = compress(&vec![0; 65 << 20]).unwrap();
    protobuf().header("Content-Encoding", "zstd").body(bomb).send().await.refused(413, "payload_too_large");
    protobuf().body(vec![0; (16 << 20) + 1]).send().await.refused(413, "payload_too_large");
    call("text/csv").body("a").send().await.refused(415, "unsupported_media_type");
    protobuf().header("Content-Encoding", "br").body("a").send().await.refused(415, "unsupported_media_type");
    let mut other_format = batch.clone();
    other_format.format = 9;
    let refused = measured.push(&other_format).await.refused(415, "unsupported_media_type");
    assert_eq!(refused["details"][0]["reason"], "1", "the supported format is named: {refused}");
    let mut foreign = batch.clone();
    foreign.collector_id = Uuid::now_v7().as_bytes().to_vec();
    measured.push(&foreign).await.refused(403, "wrong_collector");
    let mut old = batch.clone();
    old.created_us -= 15 * 86_400_000_000;
    measured.push(&old).await.refused(422, "too_old");
    let user = measured.server.post("/metrics/push").bearer(&measured.viewer);
    let as_user = user.header("Content-Type", "application/x-protobuf").body(batch.encode_to_vec());
    as_user.send().await.refused(403, "wrong_token");
    assert_eq!(measured.get("/metrics/count").await.expect(200)["count"], 0);
    assert_eq!(measured.push(&batch).await.expect(202)["rows_inserted"], 1, "nothing was lost");
}

#[tokio::test]
async fn an_unknown_definition_is_asked_for_once() {
    let measured = Measured::new().await;
    let mut newer = measured.definition("pg_stat_statements");
    let mut column = newer.column("calls").unwrap().1.clone();
    column.name = "calls_of_tomorrow".to_owned();
    newer.columns.push(column);
    let mut own = newer.clone();
    own.name = "x_own".to_owned();
    let mut batch = measured.batch(1);
    batch.readings = vec![measured.statements(&newer, 5, &[1]), measured.statements(&own, 5, &[1, 2])];
    let refused = measured.push(&batch).await.refused(409, "unknown_definition");
    assert_eq!(refused["details"].as_array().unwrap().len(), 2, "{refused}");
    let call = measured.server.post("/metrics/definitions").bearer(&measured.token);
    let defined = call.json(json!({"definitions": [newer, own]})).send().await.expect(200);
    assert_eq!(defined["accepted"], json!([newer.hash().to_string()]));
    assert_eq!(defined["rejected"][0]["set"], "x_own");
    let answer = measured.push(&batch).await.expect(202);
    assert_eq!(answer["rows_by_set"], json!({"pg_stat_statements": 1}));
    assert_eq!(answer["rejected"], json!([{"set": "x_own", "reason": "unknown_set", "rows": 2}]));
    let sets = measured.get("/catalog").await.expect(200);
    assert!(sets["count"].as_u64().unwrap() >= 8, "{sets}");
    let set = measured.get("/catalog/pg_stat_statements").await.expect(200);
    assert_eq!((&set["kind"], &set["group"]), (&json!("figures"), &json!("pg_query_stats")));
    assert_eq!(set["columns"].as_array().unwrap().last().unwrap()["name"], "calls_of_tomorrow");
    measured.get("/catalog/nothing").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_read_that_cannot_be_is_refused_by_field() {
    let measured = Measured::new().await;
    for (path, field) in [
        ("/metrics?set=pg_stat_statements&columns=calls,nothing", "columns"),
        ("/metrics?set=pg_stat_statements&limit=1001", "limit"),
        ("/metrics?set=pg_stat_statements&limit=0", "limit"),
        ("/metrics?set=pg_stat_statements&offset=-1", "offset"),
        ("/metrics?set=pg_stat_statements&step=1", "step"),
        ("/metrics?set=pg_settings&step=60", "step"),
        ("/metrics?set=pg_settings&database=5", "database"),
        ("/metrics?set=pg_stat_statements&start=2026-03-01T12:00:00Z&end=2026-03-01T11:00:00Z", "start"),
    ] {
        let refused = measured.get(path).await.refused(400, "invalid_request");
        assert_eq!(refused["details"][0]["path"], field, "{path}: {refused}");
    }
    for nothing in ["/metrics?set=nothing", "/metrics?set=wal&instance_id=999", "/metrics/count?instance_id=999"] {
        measured.get(nothing).await.refused(404, "not_found");
    }
    let refused = measured.get("/metrics?set=wal&start=yesterday").await.refused(400, "invalid_request");
    let reason = "expected a moment with its offset, as in 2026-03-01T12:00:00Z, got \"yesterday\"";
    assert_eq!(refused["details"], json!([{"path": "start", "reason": reason}]));
    // Names of databases are parameters, whatever they hold.
    let answer = measured.get("/metrics?set=pg_stat_statements&database=a%27%3Bdrop").await.expect(200);
    assert_eq!(answer["count"], 0);
    for set in measured.get("/catalog").await.expect(200)["data"].as_array().unwrap() {
        if set["kind"] != "texts" {
            let step = if set["kind"] == "figures" { "&step=60" } else { "" };
            measured.get(&format!("/metrics?set={}{step}", set["set"].as_str().unwrap())).await.expect(200);
        }
    }
}
