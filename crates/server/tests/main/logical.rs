//! GET /instances/{id}/logical-replication, against what was pushed.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:30:00Z&end=2026-03-01T12:00:00Z";

#[tokio::test]
async fn subscriptions_are_told_with_their_workers_tables_errors_and_conflicts() {
    let monitored = Monitored::new().await;
    let databases = json!([{"datid": 5, "datname": "shop"}]);
    let subscription = |name: &str, subid: i64, enabled: bool| json!({"datid": 5, "subname": name, "subid": subid, "enabled": enabled, "slot_name": name, "publications": "p"});
    let defined =
        json!([subscription("follows", 7, true), subscription("fails", 8, true), subscription("off", 9, false)]);
    let worker = |subid: i64, pid: i32, kind: Option<&str>| {
        json!({"subid": subid, "pid": pid, "subname": "s", "worker_type": kind, "received_lsn": "0/1078",
            "last_msg_receipt_time": "2026-03-01T11:54:58Z"})
    };
    let workers = json!([
        worker(7, 100, Some("apply")),
        worker(8, 101, Some("apply")),
        worker(8, 102, Some("table synchronization")),
        worker(9, 0, None)
    ]);
    let stats = |errors: i64| {
        json!([{"subid": 7, "apply_error_count": 0, "sync_error_count": 0},
            {"subid": 8, "apply_error_count": errors, "sync_error_count": 0, "confl_insert_exists": errors}])
    };
    let decoding =
        json!([{"slot_name": "to_crm", "spill_txns": 2, "spill_bytes": 4096, "total_txns": 10, "total_bytes": 8192}]);
    let readings = [
        ("pg_database", "11:00:00", databases),
        ("pg_subscription", "11:40:00", defined),
        ("pg_stat_subscription_stats", "11:50:00", stats(3)),
        ("pg_stat_subscription_stats", "11:51:00", stats(2)),
        ("pg_stat_replication_slots", "11:51:00", decoding),
        ("pg_stat_subscription", "11:55:00", workers),
    ];
    for (set, time, rows) in readings {
        monitored.push("main", &[(set, time, rows)]).await;
    }
    let tables = json!([{"subid": 7, "tables": 3, "ready": 3}, {"subid": 8, "tables": 4, "ready": 1}]);
    let publication = json!([{"pubid": 3, "pubname": "p", "all_tables": false, "tables": 2, "inserts": true, "updates": true, "deletes": false}]);
    monitored
        .push_database(
            "main",
            5,
            &[("pg_subscription_rel", "11:54:00", tables), ("pg_publication", "11:40:00", publication)],
        )
        .await;
    let path = format!("/instances/{}/logical-replication", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    let told: Vec<(&Value, &Value)> =
        answer["subscriptions"].as_array().unwrap().iter().map(|one| (&one["name"], &one["state"])).collect();
    let expected = [("fails", "failing"), ("off", "disabled"), ("follows", "running")];
    assert_eq!(
        told,
        expected.map(|(name, state)| (json!(name), json!(state))).each_ref().map(|(name, state)| (name, state))
    );
    let fails = &answer["subscriptions"][0];
    assert_eq!((&fails["apply_errors"], &fails["conflicts"]["insert_exists"]), (&json!(5.0), &json!(5.0)));
    assert_eq!(
        (&fails["tables"], &fails["tables_not_ready"], &fails["copying_workers"]),
        (&json!(4), &json!(3), &json!(1))
    );
    assert_eq!(
        (&fails["pid"], &fails["received_lsn"], &fails["last_message_ms"]),
        (&json!(101), &json!("0/1078"), &json!(2000.0))
    );
    assert_eq!(answer["publications"][0]["operations"], json!(["insert", "update"]));
    assert_eq!(
        (&answer["decoding"][0]["slot_name"], &answer["decoding"][0]["spill_bytes"]),
        (&json!("to_crm"), &json!(4096.0))
    );
    // Before anything failed, and before there was a subscription.
    let quiet = monitored.get(&format!("{path}?start=2026-03-01T11:52:00Z&end=2026-03-01T11:56:00Z")).await.expect(200);
    assert_eq!(
        (&quiet["subscriptions"][0]["name"], &quiet["subscriptions"][1]["state"]),
        (&json!("off"), &json!("copying"))
    );
    let before =
        monitored.get(&format!("{path}?start=2026-03-01T11:00:00Z&end=2026-03-01T11:30:00Z")).await.expect(200);
    assert_eq!(
        (&before["at"], &before["subscriptions"], &before["publications"]),
        (&json!(null), &json!([]), &json!([]))
    );
}
