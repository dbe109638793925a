//! GET /instances/{id}/wal and /wraparound, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z&step=60";

fn position(in_recovery: bool, start: &str, lsn: &str) -> Value {
    json!([{"in_recovery": in_recovery, "postmaster_start": start, "position": lsn}])
}

#[tokio::test]
async fn wal_is_what_lies_between_two_positions_of_one_line() {
    let monitored = Monitored::new().await;
    let (first, second) = ("2026-03-01T08:00:00Z", "2026-03-01T11:52:30Z");
    for (time, row) in [
        // Read before the range: its first interval begins here.
        ("11:49:00", position(true, first, "0/1000")),
        ("11:51:00", position(true, first, "0/1078")),
        // Promoted: nobody knows what was replayed and what was written.
        ("11:52:00", position(false, first, "0/9000")),
        // Started anew, and the position fell.
        ("11:53:00", position(false, second, "0/5000")),
        ("11:54:00", position(false, second, "0/503C")),
        ("11:55:00", position(false, second, "0/503C")),
    ] {
        monitored.push("main", &[("wal", time, row)]).await;
    }
    let path = format!("/instances/{}/wal", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    assert_eq!((&answer["at"], &answer["position"]), (&json!("2026-03-01T11:55:00Z"), &json!("0/503C")));
    assert_eq!(answer["in_recovery"], json!(false));
    assert_eq!(answer["totals"]["position_bytes"], json!(120.0 + 60.0));
    let rates: Vec<_> = answer["series"]["position_bytes"].as_array().unwrap().clone();
    assert_eq!(rates, [json!(1.0), json!(null), json!(null), json!(1.0), json!(0.0)]);
    assert_eq!((&answer["totals"]["wal_bytes"], &answer["directory"]["at"]), (&json!(null), &json!(null)));
    let before = monitored.get(&format!("{path}?at=2026-03-01T11:51:30Z")).await.expect(200);
    assert_eq!((&before["position"], &before["in_recovery"]), (&json!("0/1078"), &json!(true)));
}

#[tokio::test]
async fn checkpoints_archiver_and_directory_stand_beside_it() {
    let monitored = Monitored::new().await;
    for (time, timed, failed) in [("11:51:00", 1, 0), ("11:52:00", 0, 3)] {
        let checkpointer = json!([{"num_timed": timed, "num_requested": 2, "write_time": 30_000_000, "sync_time": 1_500,
            "buffers_written": 60}]);
        let archiver = json!([{"archived_count": 4, "failed_count": failed, "last_archived_wal": "000000010000000000000001",
            "last_archived_time": "2026-03-01T11:50:30Z",
            "last_failed_wal": if failed > 0 { json!("000000010000000000000002") } else { json!(null) },
            "last_failed_time": if failed > 0 { json!("2026-03-01T11:51:59Z") } else { json!(null) }}]);
        let directory = json!([{"directory": "pg_wal", "files": 5, "size": 83_886_080, "ready_files": failed,
            "oldest_ready": "2026-03-01T11:51:10Z"}]);
        let generated = json!([{"wal_records": 600, "wal_fpi": 6, "wal_bytes": 6_000, "wal_buffers_full": 0}]);
        let readings = [
            ("pg_stat_checkpointer", time, checkpointer),
            ("pg_stat_archiver", time, archiver),
            ("wal_directory", time, directory),
            ("pg_stat_wal", time, generated),
        ];
        monitored.push("main", &readings).await;
    }
    let path = format!("/instances/{}/wal", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    let totals = &answer["totals"];
    assert_eq!((&totals["checkpoints_timed"], &totals["checkpoints_requested"]), (&json!(1.0), &json!(4.0)));
    assert_eq!(
        (&totals["checkpoint_write_time_ms"], &totals["checkpoint_sync_time_ms"]),
        (&json!(60_000.0), &json!(3.0))
    );
    assert_eq!((&totals["archived"], &totals["archive_failures"]), (&json!(8.0), &json!(3.0)));
    assert_eq!((&totals["wal_bytes"], &totals["buffers_alloc"]), (&json!(12_000.0), &json!(null)));
    assert_eq!(answer["series"]["wal_bytes"], json!([100.0, 100.0, null, null, null]));
    assert_eq!(answer["series"]["buffers_checkpoint"], json!([1.0, 1.0, null, null, null]));
    assert_eq!(answer["series"]["ready_files"], json!([0.0, 3.0, null, null, null]));
    let archiver = &answer["archiver"];
    assert_eq!((&archiver["failing"], &archiver["last_failed_at"]), (&json!(true), &json!("2026-03-01T11:51:59Z")));
    let earlier = monitored.get(&format!("{path}?{RANGE}&at=2026-03-01T11:51:30Z")).await.expect(200);
    assert_eq!(
        (&earlier["archiver"]["failing"], &earlier["archiver"]["last_failed_at"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(
        (&answer["directory"]["size_bytes"], &answer["directory"]["ready_files"]),
        (&json!(83_886_080), &json!(3))
    );
}

#[tokio::test]
async fn databases_are_near_wraparound_by_share() {
    let monitored = Monitored::new().await;
    let row = |datid: i64, xid_age: i64, mxid_age: i64| {
        json!({"datid": datid, "xid_age": xid_age, "mxid_age": mxid_age, "freeze_max_age": 200_000_000,
            "multixact_freeze_max_age": 400_000_000})
    };
    let readings = [
        ("pg_database", "11:00:00", json!([{"datid": 4, "datname": "template0"}, {"datid": 5, "datname": "shop"}])),
        ("wraparound", "11:51:00", json!([row(4, 1_000, 1), row(5, 210_000_000, 7)])),
        ("wraparound", "11:54:00", json!([row(4, 2_000, 1_500_000_000), row(5, 210_000_100, 7)])),
    ];
    monitored.push("main", &readings).await;
    monitored.execute("update metrics.instances set version_num = 170004").await;
    let temporary = json!([
        {"relid": 20, "schema": "pg_temp_3", "relname": "cart", "relkind": "r", "relpersistence": "t", "xid_age": 210_000_099,
            "mxid_age": 5, "session_slot": 3, "session_pid": 4711, "session_application_name": "etl",
            "session_state": "idle"},
        {"relid": 21, "schema": "pg_catalog", "relname": "pg_database", "relkind": "r", "relpersistence": "p",
            "is_shared": true, "xid_age": 90, "mxid_age": 6}
    ]);
    monitored.push_database("main", 5, &[("freeze_age", "11:50:00", temporary)]).await;
    let path = format!("/instances/{}/wraparound", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    assert_eq!((&answer["at"], &answer["xid_stop_age"]), (&json!("2026-03-01T11:54:00Z"), &json!(2_144_483_647_i64)));
    let (worst, shop) = (&answer["data"][0], &answer["data"][1]);
    assert_eq!((&worst["name"], &worst["mxid"]["to_stop"]), (&json!("template0"), &json!(644_483_647)));
    assert_eq!((&shop["name"], &shop["xid"]["age"]), (&json!("shop"), &json!(210_000_100)));
    assert_eq!(
        (&shop["xid"]["to_forced_vacuum"], &shop["xid"]["to_stop"]),
        (&json!(-10_000_100), &json!(1_934_483_547))
    );
    assert_eq!(
        shop["xid_holder"],
        json!({"kind": "table", "who": "temporary table pg_temp_3.cart of session 4711 of etl, idle", "pid": 4711,
            "age_ms": null, "age": 210_000_099})
    );
    assert_eq!(shop["mxid_holder"]["who"], "shared catalog pg_catalog.pg_database");
    assert_eq!((&worst["xid_holder"], &worst["mxid_holder"]), (&json!(null), &json!(null)));
    assert!((shop["xid"]["share"].as_f64().unwrap() - 210_000_100.0 / 2_144_483_647.0).abs() < 1e-12);
    assert_eq!(shop["series"]["xid_age"], json!([210_000_000.0, null, null, 210_000_100.0, null]));
    let before = monitored.get(&format!("{path}?{RANGE}&at=2026-03-01T11:52:00Z")).await.expect(200);
    assert_eq!(before["data"][0]["name"], json!("shop"));
    let nothing = monitored.get(&format!("{path}?at=2026-03-01T11:50:00Z")).await.expect(200);
    assert_eq!((&nothing["at"], &nothing["data"]), (&json!(null), &json!([])));
}
