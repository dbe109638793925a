//! GET /instances/{id}/io, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z&step=60";

fn row(backend_type: &str, context: &str, figures: &Value) -> Value {
    let mut row = json!({"backend_type": backend_type, "object": "relation", "context": context});
    row.as_object_mut().unwrap().extend(figures.as_object().unwrap().clone());
    row
}

#[tokio::test]
async fn io_is_summed_by_process_object_and_context_and_rated_by_process_and_object() {
    let monitored = Monitored::new().await;
    let reads =
        |bytes: i64| json!({"reads": bytes / 8192, "read_bytes": bytes, "read_time": 4000, "hits": 9 * bytes / 8192});
    for (time, ring) in [("11:51:00", true), ("11:52:00", false)] {
        let mut rows = vec![row("client backend", "normal", &reads(81_920))];
        rows.push(row("checkpointer", "normal", &json!({"writes": 60, "write_bytes": 491_520, "fsyncs": 6})));
        if ring {
            rows.push(row("client backend", "bulkread", &reads(163_840)));
        }
        monitored.push("main", &[("pg_stat_io", time, Value::from(rows))]).await;
    }
    let slru = json!([{"name": "subtransaction", "blks_hit": 300, "blks_read": 12_000}]);
    monitored.push("main", &[("pg_stat_slru", "11:51:00", slru)]).await;
    let path = format!("/instances/{}/io", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    let by: Vec<_> =
        answer["data"].as_array().unwrap().iter().map(|of| (&of["backend_type"], &of["context"])).collect();
    let expected = [("checkpointer", "normal"), ("client backend", "normal"), ("client backend", "bulkread")];
    assert_eq!(by[0], (&json!(expected[0].0), &json!(expected[0].1)), "the most bytes first");
    assert_eq!(by.len(), expected.len());
    let own =
        answer["data"].as_array().unwrap().iter().find(|of| of["context"] == "normal" && of["reads"] != json!(null));
    let own = own.unwrap();
    assert_eq!((&own["read_bytes"], &own["reads"], &own["hit_ratio"]), (&json!(163_840.0), &json!(20.0), &json!(0.9)));
    assert_eq!((&own["read_time_ms"], &own["mean_read_ms"]), (&json!(8.0), &json!(0.4)));
    assert_eq!((&own["writes"], &own["mean_write_ms"]), (&json!(null), &json!(null)), "nothing of it was told");
    // Both contexts of a kind of process are one series: of one reading they are added, not averaged.
    let clients =
        answer["series"].as_array().unwrap().iter().find(|one| one["backend_type"] == "client backend").unwrap();
    assert_eq!(clients["read_bytes"], json!([4096.0, 81_920.0 / 60.0, null, null, null]));
    assert_eq!(clients["write_bytes"], json!([null, null, null, null, null]));
    let slru = &answer["slru"][0];
    assert_eq!((&slru["name"], &slru["blks_read"]), (&json!("subtransaction"), &json!(12_000.0)));
    assert_eq!(answer["findings"][0]["code"], "slru_reads");
    assert_eq!((&answer["covered"]["ms"], &answer["slru_covered"]["ms"]), (&json!(120_000.0), &json!(60_000.0)));
    let before =
        monitored.get(&format!("{path}?start=2026-03-01T10:00:00Z&end=2026-03-01T11:00:00Z")).await.expect(200);
    assert_eq!((&before["data"], &before["slru"], &before["series"]), (&json!([]), &json!([]), &json!([])));
}

#[tokio::test]
async fn before_16_it_says_so_and_who_wrote_buffers() {
    let monitored = Monitored::new().await;
    let of = |buffers: i64| {
        [
            ("backend_writes", json!([{"writes": 3 * buffers, "fsyncs": 0}])),
            ("pg_stat_checkpointer", json!([{"buffers_written": buffers}])),
            ("pg_stat_bgwriter", json!([{"buffers_clean": 0, "buffers_alloc": 7}])),
        ]
    };
    for (set, rows) in of(600) {
        monitored.push("main", &[(set, "11:51:00", rows)]).await;
    }
    for time in ["11:53:00", "11:54:00"] {
        monitored.push("main", &[("pg_stat_database", time, json!([{"datid": 5, "xact_commit": 1}]))]).await;
    }
    let id = monitored.id("main").await;
    let state = format!(
        "insert into metrics.set_states (instance_id, set_name, column_name, state, code, message, fix, since, checked_at) values
            ({id}, 'pg_stat_io', '', 'missing', 'version', 'Needs PostgreSQL 16; here is 15.4.', '', '2026-03-01 08:00Z', '2026-03-01 08:00Z')"
    );
    monitored.execute(&state).await;
    let answer = monitored.get(&format!("/instances/{id}/io?{RANGE}")).await.expect(200);
    assert_eq!((&answer["data"], &answer["unmeasured"]["data"]["code"]), (&json!([]), &json!("version")));
    // What a version does not have is no gap, and other reasons are told apart.
    let reasons: Vec<&Value> = answer["gaps"].as_array().unwrap().iter().map(|gap| &gap["reason"]).collect();
    assert_eq!(reasons, ["not_watched"], "{answer:#}");
    assert_eq!(answer["covered"]["message"], "Not measured: needs PostgreSQL 16; here is 15.4.");
    for (code, message, reason) in [
        ("disabled", "Switched off in the collector''s configuration.", "switched_off"),
        ("privilege", "The collector''s role may not read it.", "no_right"),
        ("extension", "It is not there.", "not_available"),
        ("failed", "It raised an error.", "failed"),
    ] {
        let other =
            format!("update metrics.set_states set code = '{code}', message = '{message}' where instance_id = {id}");
        monitored.execute(&other).await;
        let other = monitored.get(&format!("/instances/{id}/io?{RANGE}")).await.expect(200);
        assert_eq!(other["gaps"][0]["reason"], "not_watched");
        assert_eq!(other["gaps"][1]["reason"], reason, "{other:#}");
    }
    monitored.execute(&format!("delete from metrics.set_states where instance_id = {id}")).await;
    let unsaid = monitored.get(&format!("/instances/{id}/io?{RANGE}")).await.expect(200);
    let said = unsaid["gaps"][1]["message"].as_str().unwrap();
    assert!(said.ends_with("it was not asked for yet."), "{said}");
    let buffers = json!({"checkpoint": 600.0, "clean": 0.0, "backend": 1800.0, "backend_fsyncs": 0.0, "alloc": 7.0});
    assert_eq!(answer["buffers"], buffers);
    assert_eq!(answer["findings"][0]["code"], "backend_writes");
    let message = answer["findings"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("Backends wrote or added 75 % of the blocks"), "{message}");
}
