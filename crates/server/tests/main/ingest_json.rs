//! Batches in JSON: the same outcome, for scripts and debugging.

use ingest::{Compression, Encoding, PushAnswer, PushError};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fixture::Fixture;

async fn push(fixture: &Fixture, body: &Value) -> Result<PushAnswer, PushError> {
    fixture.push_as(Encoding::Json, Compression::None, body.to_string().into_bytes()).await
}

#[tokio::test]
async fn what_is_known_is_stored_and_the_rest_is_named() {
    let fixture = Fixture::new().await;
    let now = Timestamp::now().to_string();
    let body = json!({
        "collector_id": fixture.collector, "hostname": "h", "version": "1", "timestamp": now,
        "epoch": fixture.epoch, "sequence": 7,
        "metrics": [
            {"type": "x_sample", "timestamp": now, "interval_ms": 1500.5, "instance": "main", "rows": [
                {"key": "-9223372036854775808", "dbid": 5, "word": "ü", "flag": true, "small": -5, "calls": 3,
                 "ratio": 1, "at": "infinity", "position": "1/A0", "spent": 12, "nonsense": {"a": [1]}},
                {"key": 9_007_199_254_740_993_i64, "at": "2026-01-01T00:00:00Z", "nonsense": 1},
                {}
            ]},
            {"type": "x_sample", "timestamp": now, "rows": [{"key": "x"}]},
            {"type": "x_sample", "timestamp": now, "rows": [{"small": 3_000_000_000_u64}]},
            {"type": "x_sample_info", "timestamp": now, "instance": "main", "rows": [{"word": "w", "removed": true}]},
            {"type": "nothing", "timestamp": now, "rows": [{"a": 1}, {"b": 2}]},
        ],
    });
    let answer = push(&fixture, &body).await.unwrap();
    assert_eq!((answer.rows_inserted, answer.deduplicated), (4, true));
    let rejected = serde_json::to_value(&answer.rejected).unwrap();
    assert_eq!(
        rejected,
        json!([
            {"set": "nothing", "reason": "unknown_set", "rows": 2},
            {"set": "x_sample", "column": "key", "reason": "wrong_type", "rows": 1},
            {"set": "x_sample", "column": "nonsense", "reason": "unknown_column", "rows": 2},
            {"set": "x_sample", "column": "small", "reason": "wrong_type", "rows": 1},
        ])
    );
    let first = "key = -9223372036854775808 and dbid = 5 and word = 'ü' and flag and small = -5 and calls = 3
        and ratio = 1 and at = 'infinity' and position = 4294967456 and spent = 12 and interval_us = 1500500";
    assert_eq!(fixture.count(&format!("metrics.x_sample where {first}")).await, 1);
    assert_eq!(
        fixture.count("metrics.x_sample where key = 9007199254740993 and at = '2026-01-01' and word is null").await,
        1
    );
    assert_eq!(fixture.count("metrics.x_sample_info where removed and word = 'w' and value is null").await, 1);
    assert!(push(&fixture, &body).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_negative_increment_is_refused_by_set_and_column_and_the_rest_is_stored() {
    let fixture = Fixture::new().await;
    let now = Timestamp::now().to_string();
    let sample =
        |row: Value| json!({"type": "x_sample", "timestamp": now, "interval_ms": 1000, "rows": [{"key": 1}, row]});
    let body = json!({"collector_id": fixture.collector, "metrics": [
        sample(json!({"key": 2, "calls": -5})),
        sample(json!({"key": 3, "spent": "-1"})),
        sample(json!({"key": 4, "calls": 0, "spent": 0, "small": -5, "ratio": -0.5})),
    ]});
    let answer = push(&fixture, &body).await.unwrap();
    assert_eq!(
        serde_json::to_value(&answer.rejected).unwrap(),
        json!([
            {"set": "x_sample", "column": "calls", "reason": "negative_increment", "rows": 2},
            {"set": "x_sample", "column": "spent", "reason": "negative_increment", "rows": 2},
        ])
    );
    assert_eq!((answer.rows_inserted, fixture.count("metrics.x_sample where key in (2, 3)").await), (2, 0));
}

#[tokio::test]
async fn a_script_that_says_when_it_sent_is_not_refused_for_its_clock() {
    let fixture = Fixture::new().await;
    let ahead = (Timestamp::now() + jiff::SignedDuration::from_hours(2)).to_string();
    let metrics = json!([{"type": "x_sample", "timestamp": ahead, "rows": [{"key": 1}]}]);
    let mut body = json!({"collector_id": fixture.collector, "metrics": metrics});
    let answer = push(&fixture, &body).await.unwrap();
    assert_eq!((answer.rows_inserted, answer.rejected[0].reason.as_str()), (0, "time_outside_window"));
    body["sent_at"] = json!(ahead);
    let answer = push(&fixture, &body).await.unwrap();
    assert_eq!((answer.rows_inserted, answer.rejected), (1, Vec::new()));
    assert_eq!(fixture.count("metrics.x_sample where time between now() - interval '1 min' and now()").await, 1);
}

#[tokio::test]
async fn a_heartbeat_is_valid_and_cannot_be_told_from_its_repetition() {
    let fixture = Fixture::new().await;
    let answer = push(&fixture, &json!({"collector_id": fixture.collector, "metrics": []})).await.unwrap();
    assert_eq!((answer.duplicate, answer.deduplicated, answer.batch_id), (false, false, None));
    assert_eq!(fixture.count("metrics.collectors").await, 1);
    assert_eq!(fixture.count("metrics.ledger").await, 0);
}

#[tokio::test]
async fn what_is_no_batch_is_refused_by_name() {
    let fixture = Fixture::new().await;
    let id = fixture.collector;
    let now = Timestamp::now().to_string();
    let refused = |body: Value| {
        let fixture = &fixture;
        async move { push(fixture, &body).await.expect_err("a refusal").to_string() }
    };
    let unknown = refused(json!({"collector_id": id, "metrics": [], "surprise": 1})).await;
    assert!(unknown.contains("surprise"), "{unknown}");
    let half = refused(json!({"collector_id": id, "metrics": [], "sequence": 1})).await;
    assert!(half.contains("epoch"), "{half}");
    let twice = r#"{"key": 1, "key": 2}"#;
    let body =
        format!(r#"{{"collector_id":"{id}","metrics":[{{"type":"x_sample","timestamp":"{now}","rows":[{twice}]}}]}}"#);
    let answer = fixture.push_as(Encoding::Json, Compression::None, body.into_bytes()).await;
    assert!(matches!(answer, Err(PushError::Malformed { .. })), "{answer:?}");
    let foreign = push(&fixture, &json!({"collector_id": uuid::Uuid::nil(), "metrics": []})).await;
    assert!(matches!(foreign, Err(PushError::WrongCollector)));
    let many = "{},".repeat(1_000_000);
    let rows = many.trim_end_matches(',');
    let body =
        format!(r#"{{"collector_id":"{id}","metrics":[{{"type":"x_sample","timestamp":"{now}","rows":[{rows}]}}]}}"#);
    let bomb = fixture.push_as(Encoding::Json, Compression::None, body.into_bytes()).await;
    assert!(matches!(bomb, Err(PushError::Malformed { .. })), "{bomb:?}");
}
