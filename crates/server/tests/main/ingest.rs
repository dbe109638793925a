//! Batches in protobuf: what is stored, what is rejected, what is refused.

use std::io::Write as _;

use ::store::CustomSets;
use catalog::Definition;
use futures_util::future::join_all;
use ingest::{Compression, Encoding, MAX_COMPRESSED, MAX_DECODED, PushError};
use jiff::Timestamp;
use proptest::prelude::{Strategy, any, proptest};
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
use serde_json::json;
use uuid::Uuid;
use wire::{
    Attributes, BatchKey, Cut, Discarded, Flag, FlagReason, Frame, Reading, SetState, State, StateCode, Status,
};

use super::fixture::{Fixture, reading, sample_frame};

/// Cases of the property below; each is a batch and a read.
const CASES: u32 = 40;

/// What PostgreSQL can hold: 4714-11-24 BC to 294276 AD.
const MOMENTS: std::ops::Range<i64> = -210_866_803_200_000_000..9_223_371_331_200_000_000;

#[derive(Clone, Debug, PartialEq)]
struct Row {
    key: Option<i64>,
    dbid: Option<i64>,
    word: Option<String>,
    flag: Option<bool>,
    small: Option<i32>,
    calls: Option<i64>,
    ratio: Option<f64>,
    at: Option<i64>,
    position: Option<i64>,
    spent: Option<i64>,
}

fn integer() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(proptest::prop_oneof![
        proptest::strategy::Just(i64::MIN),
        proptest::strategy::Just(i64::MAX),
        proptest::strategy::Just(-1),
        proptest::strategy::Just(9_007_199_254_740_993),
        any::<i64>(),
    ])
}

/// Increments are never negative.
fn increment() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(proptest::prop_oneof![
        proptest::strategy::Just(0),
        proptest::strategy::Just(i64::MAX),
        0..i64::MAX
    ])
}

fn row() -> impl Strategy<Value = Row> {
    let small = proptest::option::of(proptest::prop_oneof![
        proptest::strategy::Just(i32::MIN),
        proptest::strategy::Just(i32::MAX),
        any::<i32>()
    ]);
    let moment = proptest::option::of(proptest::prop_oneof![
        proptest::strategy::Just(i64::MIN),
        proptest::strategy::Just(i64::MAX),
        proptest::strategy::Just(MOMENTS.start),
        proptest::strategy::Just(MOMENTS.end - 1),
        MOMENTS,
    ]);
    let float =
        proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL);
    let word = proptest::option::of("[^\\x00]{0,20}");
    (integer(), integer(), word, any::<Option<bool>>(), small, increment(), float, moment, integer(), increment())
        .prop_map(|(key, dbid, word, flag, small, calls, ratio, at, position, spent)| Row {
            key,
            dbid,
            word,
            flag,
            small,
            calls,
            ratio,
            at,
            position,
            spent,
        })
}

fn frame_of(definition: &Definition, rows: &[Row]) -> Frame {
    let mut frame = Frame::new(definition);
    for row in rows {
        for (meaning, column) in definition.columns.iter().zip(&mut frame.columns) {
            let column = column.as_mut().unwrap();
            let int = match meaning.name.as_str() {
                "key" => row.key,
                "dbid" => row.dbid,
                "small" => row.small.map(i64::from),
                "calls" => row.calls,
                "at" => row.at,
                "position" => row.position,
                "spent" => row.spent,
                _ => None,
            };
            match (int, row.word.as_deref(), row.flag, row.ratio, meaning.name.as_str()) {
                (_, Some(word), _, _, "word") => column.push_text(word),
                (_, _, Some(flag), _, "flag") => column.push_bool(flag),
                (_, _, _, Some(ratio), "ratio") => column.push_float(ratio),
                (Some(value), ..) => column.push_int(value),
                _ => column.push_null(),
            }
        }
        frame.rows += 1;
    }
    frame
}

async fn stored_rows(fixture: &Fixture) -> Vec<Row> {
    let rows = fixture
        .client
        .query(
            "select key, dbid, word, flag, small, calls, ratio,
                 case when at = 'infinity' then 9223372036854775807 when at = '-infinity' then -9223372036854775808
                      else (extract(epoch from at) * 1000000)::int8 end,
                 position, spent
             from metrics.x_sample order by ctid",
            &[],
        )
        .await
        .unwrap();
    rows.iter()
        .map(|row| Row {
            key: row.get(0),
            dbid: row.get(1),
            word: row.get(2),
            flag: row.get(3),
            small: row.get(4),
            calls: row.get(5),
            ratio: row.get(6),
            at: row.get(7),
            position: row.get(8),
            spent: row.get(9),
        })
        .collect()
}

#[test]
fn what_postgresql_reads_back_is_what_was_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(Fixture::new());
    let definition = fixture.definition("x_sample");
    let sequence = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&proptest::collection::vec(row(), 0..30), |rows| {
        runtime.block_on(async {
            fixture.client.execute("truncate metrics.x_sample", &[]).await.unwrap();
            sequence.set(sequence.get() + 1);
            let mut batch = fixture.batch(sequence.get());
            batch.readings.push(reading(&definition, &frame_of(&definition, &rows)));
            let answer = fixture.push(&batch).await.unwrap();
            assert_eq!(answer.rejected, []);
            assert_eq!(answer.rows_inserted, rows.len() as u64);
            assert_eq!(stored_rows(&fixture).await, rows);
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_batch_is_stored_with_everything_that_it_says() {
    let fixture = Fixture::new().await;
    let now = Timestamp::now().as_microsecond();
    let mut batch = fixture.sample_batch(1, &[7, 8], 3);
    batch.instances[0].attributes = Some(Attributes {
        system_identifier: "7123".to_owned(),
        version_num: 170_004,
        version: "17.4".to_owned(),
        role: "primary".to_owned(),
        host: "/tmp".to_owned(),
        port: 5432,
        postmaster_start_us: now - 1_000_000,
        max_connections: Some(100),
        ..Attributes::default()
    });
    let state = SetState {
        set: "x_sample".to_owned(),
        column: "spent".to_owned(),
        state: State::Degraded.into(),
        code: StateCode::Setting.into(),
        message: "track_io_timing is off".to_owned(),
        fix: "set it".to_owned(),
    };
    let read = SetState { set: "x_sample_info".to_owned(), state: State::Works.into(), ..SetState::default() };
    batch.instances[0].states = vec![state, read];
    batch.readings[0].flags = vec![Flag {
        reason: FlagReason::Reset.into(),
        start_us: now - 60_000_000,
        end_us: now,
        entries: vec![r#"{"key": "7"}"#.to_owned(), "not json".to_owned(), r#"{"a": "\u0000"}"#.to_owned()],
        entries_total: 3,
    }];
    batch.readings[0].cuts = vec![Cut { per: 5, rows: 2, ids: vec![i64::MIN, i64::MAX] }, Cut::default()];
    let failed = Reading {
        set: "x_sample_info".to_owned(),
        started_us: now,
        time_us: now,
        error: Some("no\0".to_owned()),
        ..Reading::default()
    };
    batch.readings.push(failed);
    let definition = fixture.definition("x_sample_texts");
    let mut texts = Frame::new(&definition);
    for (column, value) in texts.columns.iter_mut().zip([Some(5), Some(-3), None]) {
        let column = column.as_mut().unwrap();
        match value {
            Some(value) => column.push_int(value),
            None => column.push_text("select $1"),
        }
    }
    texts.rows = 1;
    batch.readings.push(reading(&definition, &texts));
    batch.discarded =
        vec![Discarded { set: "x_sample".to_owned(), reason: "spool_full".to_owned(), rows: 9, readings: 2 }];
    batch.status = Some(Status { spool_records: 4, spool_bytes: 1000, ..Status::default() });

    let answer = fixture.push(&batch).await.unwrap();
    let answer = serde_json::to_value(&answer).unwrap();
    assert_eq!(answer["status"], "accepted");
    assert_eq!(answer["batch_id"], format!("{}/1", fixture.epoch));
    assert_eq!((&answer["duplicate"], &answer["deduplicated"]), (&json!(false), &json!(true)));
    assert_eq!(answer["rows_by_set"], json!({"x_sample": 2, "x_sample_texts": 1}));
    assert_eq!(answer["rejected"], json!([]));
    assert_eq!(answer["store_id"], json!(fixture.ingest.store().store_id()));
    assert_eq!(fixture.count("metrics.x_sample where key in (7, 8) and calls = 3 and interval_us = 60000000").await, 2);
    assert_eq!(fixture.count("metrics.readings where set_name = 'x_sample' and rows = 2").await, 1);
    assert_eq!(fixture.count("metrics.readings where set_name = 'x_sample_info' and error = E'no\u{fffd}'").await, 1);
    assert_eq!(
        fixture
            .count(r#"metrics.flags where reason = 'reset' and entries = '[{"key": "7"}]' and entries_total = 3"#)
            .await,
        1
    );
    assert_eq!(
        fixture.count("metrics.cuts where per = 5 and ids = '{-9223372036854775808,9223372036854775807}'").await,
        1
    );
    assert_eq!(fixture.count("metrics.cuts where per = 0 and ids = '{}'").await, 1);
    assert_eq!(fixture.count("metrics.set_states where column_name = 'spent' and code = 'setting'").await, 1);
    assert_eq!(fixture.count("metrics.texts where major = 17 and queryid = -3 and query = 'select $1'").await, 1);
    assert_eq!(fixture.count("metrics.instances where version = '17.4' and role = 'primary'").await, 1);
    assert_eq!(
        fixture.count("metrics.collectors where spool_records = 4 and last_reading_started is not null").await,
        1
    );
    assert_eq!(fixture.count("metrics.discards where rows = 9 and reason = 'spool_full'").await, 1);
    assert_eq!(fixture.count("metrics.latest where set_name = 'x_sample_info' and error is not null").await, 1);
}

#[tokio::test]
async fn an_error_of_a_set_that_is_not_read_any_more_is_over() {
    let fixture = Fixture::new().await;
    let errors = async || -> Vec<String> {
        let failing = "select set_name from metrics.latest where error is not null order by set_name";
        fixture.client.query(failing, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let batch = |sequence: u64, failing: &[&str], said: &[(&str, State)]| {
        let mut batch = fixture.sample_batch(sequence, &[1], 1);
        let state = |(set, state): &(&str, State)| SetState {
            set: (*set).to_owned(),
            state: (*state).into(),
            ..SetState::default()
        };
        batch.instances[0].states = said.iter().map(state).collect();
        let sample = batch.readings.remove(0);
        batch.readings.extend(failing.iter().map(|set| Reading {
            set: (*set).to_owned(),
            definition: fixture.definition(set).hash().0.to_vec(),
            error: Some("connection refused".to_owned()),
            started_us: sample.started_us,
            time_us: sample.time_us,
            ..Reading::default()
        }));
        batch
    };
    let all = ["x_sample", "x_sample_info", "x_sample_texts"];
    // Nobody knows yet which are read.
    fixture.push(&batch(1, &all, &[])).await.unwrap();
    assert_eq!(errors().await, all);
    // One is read, one cannot be, one is not in the configuration any more.
    fixture.push(&batch(2, &[], &[("x_sample", State::Works), ("x_sample_info", State::Missing)])).await.unwrap();
    assert_eq!(errors().await, ["x_sample"]);
    // It is so too when the next outage is told while the states stay as they were.
    fixture.push(&batch(3, &all, &[])).await.unwrap();
    assert_eq!(errors().await, ["x_sample"]);
    // Whoever cannot be read for an error has one.
    fixture.push(&batch(4, &["x_sample_info"], &[("x_sample_info", State::Error)])).await.unwrap();
    assert_eq!(errors().await, ["x_sample_info"]);
}

#[tokio::test]
async fn a_batch_sent_again_changes_nothing() {
    let fixture = Fixture::new().await;
    let batch = fixture.sample_batch(1, &[1, 2, 3], 5);
    assert!(!fixture.push(&batch).await.unwrap().duplicate);
    let again = fixture.push(&batch).await.unwrap();
    assert!(again.duplicate);
    assert_eq!((again.rows_inserted, again.rows_by_set.len()), (0, 0));
    assert_eq!(fixture.count("metrics.x_sample").await, 3);
    // Out of order, and beside others.
    for sequence in [5, 3, 4, 2, 3, 5] {
        fixture.push(&fixture.sample_batch(sequence, &[1], 1)).await.unwrap();
    }
    assert_eq!(fixture.count("metrics.x_sample").await, 3 + 4);
    assert_eq!(fixture.count("metrics.ledger where seen = '{[1,6)}'").await, 1);
}

#[tokio::test]
async fn the_newest_epoch_is_that_of_the_spool_that_asks() {
    let fixture = Fixture::new().await;
    let epochs: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let newest = async |lane: Option<u128>, epoch: Uuid, sequence: u64| {
        let mut batch = if sequence == 0 { fixture.batch(0) } else { fixture.sample_batch(sequence, &[1], 1) };
        batch.epoch = epoch.as_bytes().to_vec();
        batch.lane = lane.map(|lane| Uuid::from_u128(lane).as_bytes().to_vec()).unwrap_or_default();
        fixture.push(&batch).await.unwrap().last_epoch
    };
    // One for all instances, then one for each.
    assert_eq!(newest(None, epochs[0], 1).await, Some(epochs[0]));
    assert_eq!(newest(Some(7), epochs[2], 0).await, None, "nothing of it is stored yet");
    assert_eq!(newest(Some(7), epochs[2], 1).await, Some(epochs[2]));
    assert_eq!(newest(Some(8), epochs[1], 1).await, Some(epochs[1]), "that of another is newer");
    assert_eq!(newest(Some(7), epochs[0], 0).await, Some(epochs[2]), "as the older state of a spool asks");
    assert_eq!(newest(None, epochs[0], 0).await, Some(epochs[2]), "whoever does not say which asks for all");
    // Whoever says it wrongly is told.
    let mut batch = fixture.batch(0);
    batch.lane = vec![7; 3];
    let refused = fixture.push(&batch).await.unwrap_err().to_string();
    assert!(refused.contains("lane must be a UUID of 16 bytes"), "{refused}");
}

#[tokio::test]
async fn an_acknowledged_batch_that_is_missing_is_told() {
    let fixture = Fixture::new().await;
    let forgets = async |sequence: u64, acknowledged: Option<(Uuid, u64)>| {
        let mut batch = if sequence == 0 { fixture.batch(0) } else { fixture.sample_batch(sequence, &[1], 1) };
        let key = |(epoch, sequence): (Uuid, u64)| BatchKey { epoch: epoch.as_bytes().to_vec(), sequence };
        batch.status = Some(Status { acknowledged: acknowledged.map(key), ..Status::default() });
        fixture.push(&batch).await.unwrap().forgotten
    };
    let (epoch, other) = (fixture.epoch, Uuid::now_v7());
    assert!(!forgets(0, None).await && !forgets(1, None).await, "who names none has lost none");
    // In order, out of order, twice, and in a sign of life.
    for (sequence, acknowledged) in [(2, 1), (9, 2), (3, 9), (3, 9), (10, 3), (0, 10)] {
        assert!(!forgets(sequence, Some((epoch, acknowledged))).await, "{sequence} after {acknowledged}");
    }
    assert!(forgets(0, Some((epoch, 5))).await, "a number between those that are there");
    assert!(forgets(0, Some((other, 3))).await, "another epoch");
    // The store is put back to a copy; the answer is lost, and the batch comes again.
    let older = "update metrics.ledger set seen = '{[1,4)}'";
    assert_eq!(fixture.client.execute(older, &[]).await.unwrap(), 1);
    assert!(forgets(11, Some((epoch, 10))).await && forgets(11, Some((epoch, 10))).await);
    assert!(!forgets(12, Some((epoch, 11))).await, "one loss is told once");
    // What cannot be a batch's key is no claim.
    let mut batch = fixture.batch(0);
    let key = BatchKey { epoch: vec![7; 3], sequence: u64::MAX };
    batch.status = Some(Status { acknowledged: Some(key), ..Status::default() });
    assert!(!fixture.push(&batch).await.unwrap().forgotten);
}

#[tokio::test]
async fn a_batch_sent_many_times_at_once_is_stored_once() {
    let fixture = Fixture::new().await;
    let batch = fixture.sample_batch(1, &[1, 2], 5);
    let answers = join_all((0..12).map(|_| fixture.push(&batch))).await;
    let stored = answers.iter().filter(|answer| !answer.as_ref().unwrap().duplicate).count();
    assert_eq!(stored, 1);
    assert_eq!(fixture.count("metrics.x_sample").await, 2);
}

#[tokio::test]
async fn many_collectors_share_transactions_and_keep_their_own_rows() {
    let fixture = Fixture::new().await;
    let batches: Vec<_> = (1..=30).map(|sequence| fixture.sample_batch(sequence, &[1, 2, 3, 4], 1)).collect();
    let answers = join_all(batches.iter().map(|batch| fixture.push(batch))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().rows_inserted == 4));
    assert_eq!(fixture.count("metrics.x_sample").await, 120);
    let transactions = fixture.count("(select distinct xmin from metrics.x_sample) as t").await;
    assert!(transactions < 30, "30 batches at once took {transactions} transactions");
}

#[tokio::test]
async fn a_definition_that_is_not_known_is_asked_for_and_widens_the_table() {
    let fixture = Fixture::new().await;
    let mut newer = fixture.definition("x_sample");
    let mut column = newer.columns[5].clone();
    column.name = "plans".to_owned();
    newer.columns.push(column);
    let mut frame = sample_frame(&newer, &[1], 2);
    frame.columns[10].as_mut().unwrap().nulls.set(0, false);
    let mut batch = fixture.batch(1);
    batch.readings.push(reading(&newer, &frame));
    match fixture.push(&batch).await {
        Err(PushError::UnknownDefinition { hashes }) => assert_eq!(hashes, [newer.hash()]),
        other => panic!("expected 409, got {other:?}"),
    }
    assert_eq!(fixture.count("metrics.ledger").await, 0);
    fixture.ingest.define(newer.clone()).await.unwrap();
    fixture.ingest.define(newer.clone()).await.unwrap();
    assert_eq!(fixture.push(&batch).await.unwrap().rows_inserted, 1);
    assert_eq!(fixture.push(&fixture.sample_batch(2, &[2], 2)).await.unwrap().rows_inserted, 1, "an older collector");
    assert_eq!(fixture.count("metrics.x_sample where plans = 0 and key = 1").await, 1);
    assert_eq!(fixture.count("metrics.x_sample where plans is null and key = 2").await, 1);

    // Another server, or this one after a restart, knows it from the store.
    let other = super::fixture::open_store(&fixture.dsn).await;
    assert!(other.definitions().get(newer.hash()).is_some());

    let mut changed = fixture.definition("x_sample");
    changed.columns[5].column_type = catalog::Type::Int4;
    let mut relabelled = fixture.definition("x_sample");
    relabelled.columns.remove(0);
    for contradiction in [changed, relabelled] {
        let refused = fixture.ingest.define(contradiction).await;
        assert!(matches!(refused, Err(PushError::Invalid { code: "invalid_definition", .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn definitions_cannot_name_what_is_not_theirs() {
    let fixture = Fixture::with(CustomSets::Refuse).await;
    let accepting = Fixture::new().await;
    let mut own = fixture.definition("x_sample");
    own.name = "x_own".to_owned();
    assert!(fixture.ingest.define(own.clone()).await.is_err(), "own sets are switched off");
    accepting.ingest.define(own.clone()).await.unwrap();
    assert_eq!(accepting.count("metrics.x_own").await, 0);
    for name in ["ledger", "other", "x_own_20260101", "x\"; drop table metrics.ledger; --", "X_own", "", "x_own_named"]
    {
        let mut named = own.clone();
        name.clone_into(&mut named.name);
        assert!(accepting.ingest.define(named).await.is_err(), "{name:?} must be refused");
    }
    for column in ["time", "instance_id", "a\" int", "", "key"] {
        let mut odd = own.clone();
        odd.name = "x_odd".to_owned();
        odd.columns[1].name = column.to_owned();
        assert!(accepting.ingest.define(odd).await.is_err(), "column {column:?} must be refused");
    }
}

#[tokio::test]
async fn rows_outside_the_window_are_rejected_and_old_batches_refused() {
    let fixture = Fixture::new().await;
    let day = 86_400_000_000;
    let now = Timestamp::now().as_microsecond();
    let mut batch = fixture.sample_batch(1, &[1], 1);
    batch.readings[0].time_us = now - 15 * day;
    let mut future = fixture.sample_batch(1, &[2, 3], 1).readings.remove(0);
    future.time_us = now + 3_600_000_000;
    let mut late = fixture.sample_batch(1, &[4], 1).readings.remove(0);
    (late.time_us, late.started_us) = (now - 13 * day, now - 13 * day);
    batch.readings.extend([future, late]);
    let answer = fixture.push(&batch).await.unwrap();
    assert_eq!(answer.rows_inserted, 1, "a partition for late data is made on demand");
    assert_eq!(answer.rejected.len(), 1);
    assert_eq!((answer.rejected[0].reason.as_str(), answer.rejected[0].rows), ("time_outside_window", 3));
    assert_eq!(fixture.count("metrics.rejected where reason = 'time_outside_window' and rows = 3").await, 1);

    let mut old = fixture.sample_batch(2, &[1], 1);
    old.created_us = now - 15 * day;
    assert!(matches!(fixture.push(&old).await, Err(PushError::Invalid { code: "too_old", .. })));
    assert_eq!(fixture.count("metrics.ledger where seen @> 2::int8").await, 0);
}

#[tokio::test]
async fn a_bad_value_rejects_its_own_set_only() {
    let fixture = Fixture::new().await;
    let definition = fixture.definition("x_sample_info");
    let mut batch = fixture.sample_batch(1, &[1], 1);
    let long = "x".repeat(3000);
    for (word, value) in [("a\0b", "v"), ("w", "a\0"), (long.as_str(), "v")] {
        let mut frame = Frame::new(&definition);
        frame.columns[0].as_mut().unwrap().push_text(word);
        frame.columns[1].as_mut().unwrap().push_text(value);
        frame.rows = 1;
        batch.readings.push(reading(&definition, &frame));
    }
    let mut torn = fixture.sample_batch(1, &[1, 2], 1).readings.remove(0);
    torn.columns[0].data.pop();
    batch.readings.push(torn);
    let mut moment = fixture.sample_batch(1, &[1], 1).readings.remove(0);
    let mut frame = sample_frame(&fixture.definition("x_sample"), &[1], 1);
    frame.columns[7] = Some(wire::FrameColumn::new(catalog::Type::Timestamptz));
    frame.columns[7].as_mut().unwrap().push_int(i64::MAX - 1);
    moment.encode_rows(&frame);
    batch.readings.push(moment);
    let answer = fixture.push(&batch).await.unwrap();
    assert_eq!(answer.rows_inserted, 1);
    let mut rejected: Vec<(&str, Option<&str>, &str)> =
        answer.rejected.iter().map(|r| (r.set.as_str(), r.column.as_deref(), r.reason.as_str())).collect();
    rejected.sort_unstable();
    assert_eq!(
        rejected,
        [
            ("x_sample", Some("at"), "moment_out_of_range"),
            ("x_sample", Some("key"), "its bytes end early"),
            ("x_sample_info", Some("value"), "nul_in_text"),
            ("x_sample_info", Some("word"), "nul_in_text"),
            ("x_sample_info", Some("word"), "text_too_long"),
        ]
    );
    assert_eq!(fixture.count("metrics.x_sample_info").await, 0);
}

#[tokio::test]
async fn bad_bodies_are_refused_and_nothing_is_stored() {
    let fixture = Fixture::new().await;
    let body = fixture.sample_batch(1, &[1, 2, 3], 5).encode_to_vec();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| wire::compress(bytes).unwrap();
    let push = |compression, bytes| fixture.push_as(Encoding::Protobuf, compression, bytes);
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 3].to_vec();
    let bomb = vec![0_u8; MAX_DECODED + 1];
    for (compression, bytes) in [
        (Compression::None, cut(body.clone())),
        (Compression::Gzip, cut(gzip(&body))),
        (Compression::Zstd, cut(zstd(&body))),
        (Compression::Gzip, zstd(&body)),
        (Compression::Zstd, gzip(&body)),
        (Compression::Zstd, body.clone()),
    ] {
        let answer = push(compression, bytes).await;
        assert!(matches!(answer, Err(PushError::Malformed { .. })), "{compression:?}: {answer:?}");
    }
    for (compression, bytes) in [
        (Compression::Gzip, gzip(&bomb)),
        (Compression::Zstd, zstd(&bomb)),
        (Compression::None, vec![0; MAX_COMPRESSED + 1]),
    ] {
        let answer = push(compression, bytes).await;
        assert!(matches!(answer, Err(PushError::TooLarge { .. })), "{compression:?}: {answer:?}");
    }
    let mut foreign = fixture.sample_batch(1, &[1], 1);
    foreign.collector_id = Uuid::now_v7().as_bytes().to_vec();
    assert!(matches!(fixture.push(&foreign).await, Err(PushError::WrongCollector)));
    let mut other_format = fixture.sample_batch(1, &[1], 1);
    other_format.format = 2;
    assert!(matches!(fixture.push(&other_format).await, Err(PushError::Unsupported { .. })));
    let mut rows_bomb = fixture.sample_batch(1, &[1], 1);
    rows_bomb.readings[0].rows = 1_000_000;
    assert!(matches!(fixture.push(&rows_bomb).await, Err(PushError::TooLarge { .. })));
    let mut no_sequence = fixture.sample_batch(1, &[1], 1);
    no_sequence.sequence = 0;
    assert!(matches!(fixture.push(&no_sequence).await, Err(PushError::Invalid { .. })));
    for (compression, bytes) in [(Compression::Gzip, gzip(&body)), (Compression::Zstd, zstd(&body))] {
        push(compression, bytes).await.unwrap();
    }
    assert_eq!(fixture.count("metrics.x_sample").await, 3, "the good body, once");
    assert_eq!(fixture.ingest.budget().used(), 0);
}

#[test]
fn headers_name_what_is_supported() {
    assert_eq!(Encoding::from_header(Some("application/json; charset=utf-8")).unwrap(), Encoding::Json);
    assert_eq!(Encoding::from_header(Some("application/x-protobuf")).unwrap(), Encoding::Protobuf);
    assert!(matches!(Encoding::from_header(Some("text/plain")), Err(PushError::Unsupported { .. })));
    assert!(matches!(Encoding::from_header(None), Err(PushError::Unsupported { .. })));
    assert_eq!(Compression::from_header(None).unwrap(), Compression::None);
    assert!(matches!(Compression::from_header(Some("br")), Err(PushError::Unsupported { .. })));
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..500)) {
        for compression in [Compression::Gzip, Compression::Zstd] {
            assert!(compression.decode(&body).is_err() || body.is_empty());
        }
    }
}
