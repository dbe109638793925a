//! GET /instances/{id}/databases, against what was computed by hand.

use serde_json::json;

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:50:00Z&end=2026-03-01T11:55:00Z";

async fn two_databases() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    let shop = |backends: i64, commits: i64, active_us: i64| {
        json!({"datid": 16384, "numbackends": backends, "xact_commit": commits, "xact_rollback": 60,
            "blks_hit": 90, "temp_bytes": 1024, "active_time": active_us, "blk_read_time": null})
    };
    let shared = json!({"datid": 0, "numbackends": 0, "xact_commit": 0, "xact_rollback": 0, "blks_hit": 7});
    let gone = json!({"datid": 9, "numbackends": 5, "xact_commit": 1});
    let readings = [
        // Ends where the range begins: not in it.
        ("pg_stat_database", "11:50:00", json!([shop(1, 1_000_000, 0)])),
        ("pg_stat_database", "11:51:00", json!([shop(2, 540, 30_000_000), shared, gone])),
        ("pg_stat_database", "11:52:00", json!([shop(3, 0, 90_000_000)])),
        ("pg_stat_database", "11:55:00", json!([shop(4, 1_140, 120_500_000), shared])),
        ("pg_stat_database", "11:56:00", json!([shop(9, 1_000_000, 0)])),
        ("pg_database", "11:00:00", json!([{"datid": 16384, "datname": "shop"}, {"datid": 9, "datname": "gone"}])),
        ("pg_database", "11:52:00", json!([{"datid": 9, "datname": "gone", "removed": true}])),
    ];
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}/databases", monitored.id("main").await);
    (monitored, path)
}

#[tokio::test]
async fn increments_are_summed_over_the_range() {
    let (monitored, path) = two_databases().await;
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    assert_eq!(answer["grid"], json!({"start": "2026-03-01T11:50:00Z", "step_ms": 60_000, "points": 5}));
    let names: Vec<_> = answer["data"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["gone", "shared objects", "shop"]);
    let shop = &answer["data"][2];
    assert_eq!((&shop["datid"], &shop["numbackends"]), (&json!(16384), &json!(4)));
    assert_eq!((&shop["xact_commit"], &shop["xact_rollback"]), (&json!(1_680.0), &json!(180.0)));
    assert_eq!((&shop["blks_hit"], &shop["temp_bytes"]), (&json!(270.0), &json!(3_072.0)));
    assert_eq!((&shop["active_time_ms"], &shop["blk_read_time_ms"]), (&json!(240_500.0), &json!(null)));
    assert_eq!(shop["series"]["tps"], json!([10.0, 1.0, null, null, 20.0]));
    let active = shop["series"]["active"].as_array().unwrap();
    assert_eq!((&active[0], &active[1], &active[2]), (&json!(0.5), &json!(1.5), &json!(null)));
    assert!((active[4].as_f64().unwrap() - 120.5 / 60.0).abs() < 1e-9, "{active:?}");
    let shared = &answer["data"][1];
    assert_eq!((&shared["blks_hit"], &shared["active_time_ms"]), (&json!(14.0), &json!(null)));
    assert_eq!(shared["series"]["tps"], json!([0.0, null, null, null, 0.0]));
    let total = &answer["total"];
    // The database that is gone told of its commits only.
    assert_eq!(total["commits"], json!([9.0 + 1.0 / 60.0, 0.0, null, null, 19.0]));
    assert_eq!(total["rollbacks"], json!([1.0, 1.0, null, null, 1.0]));
    assert_eq!(total["temp_bytes"].as_array().unwrap()[2], json!(null));
    // It is not in the newest reading, and half of what makes its rate is not known.
    let gone = &answer["data"][0];
    assert_eq!((&gone["numbackends"], &gone["xact_commit"]), (&json!(null), &json!(1.0)));
    assert_eq!(gone["series"]["tps"], json!([null, null, null, null, null]));
}

#[tokio::test]
async fn steps_longer_than_an_interval_divide_by_what_was_measured() {
    let (monitored, path) = two_databases().await;
    let answer = monitored.get(&format!("{path}?{RANGE}&step=150")).await.expect(200);
    assert_eq!(answer["grid"]["points"], 2);
    // 540 + 60 + 60 transactions in two intervals; 1140 + 60 in one.
    assert_eq!(answer["data"][2]["series"]["tps"], json!([5.5, 20.0]));
    monitored.get(&format!("{path}?{RANGE}&step=0")).await.refused(400, "invalid_request");
    let refused = monitored.get(&format!("{path}?start=2026-03-02T00:00:00Z")).await.refused(400, "invalid_request");
    assert_eq!(refused["details"][0]["path"], "start");
    let nothing = monitored.get(&format!("{path}?end=2026-01-01T00:00:00Z")).await.expect(200);
    assert_eq!((&nothing["data"], &nothing["grid"]["points"]), (&json!([]), &json!(60)));
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let (monitored, path) = two_databases().await;
    let id = monitored.id("main").await;
    let said = format!(
        "insert into metrics.set_states values ({id}, 'pg_stat_database', 'blk_read_time', 'missing', 'setting',
            'track_io_timing is off.', 'alter system …', '2026-03-01', '2026-03-01');
         insert into metrics.flags values
            ({id}, 'pg_stat_database', '2026-03-01T11:51:00Z', '2026-03-01T11:52:00Z', 'entry_reset', null, 1),
            ({id}, 'pg_stat_database', '2026-03-01T11:54:00Z', '2026-03-01T11:56:00Z', 'restart', null, 0),
            ({id}, 'pg_stat_database', '2026-03-01T11:49:00Z', '2026-03-01T11:50:00Z', 'reset', null, 0),
            ({id}, 'pg_stat_statements', '2026-03-01T11:51:00Z', '2026-03-01T11:52:00Z', 'reset', null, 0)"
    );
    monitored.execute(&said).await;
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    let reason = json!({"code": "setting", "message": "track_io_timing is off.", "fix": "alter system …"});
    assert_eq!(answer["unmeasured"], json!({"blk_read_time_ms": reason}));
    let flags: Vec<_> = answer["flagged_intervals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| (flag["start"].as_str().unwrap(), flag["reason"].as_str().unwrap(), flag["entries_total"].as_i64()))
        .collect();
    assert_eq!(flags, [("2026-03-01T11:51:00Z", "entry_reset", Some(1)), ("2026-03-01T11:54:00Z", "restart", Some(0))]);
}

#[tokio::test]
async fn rates_are_of_the_time_that_was_read_whatever_the_range() {
    let monitored = Monitored::new().await;
    // 159 transactions a second over three minutes.
    let row = |commits: i64| json!([{"datid": 16384, "numbackends": 1, "xact_commit": commits, "xact_rollback": 60, "active_time": 30_000_000}]);
    let readings: Vec<_> =
        ["11:58:00", "11:59:00", "12:00:00"].map(|time| ("pg_stat_database", time, row(9_480))).into();
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}/databases", monitored.id("main").await);
    for (start, share, message) in [
        ("2026-03-01T11:57:00Z", 1.0, json!(null)),
        ("2026-03-01T11:00:00Z", 0.05, json!("3 min of 1 h were read (5 %). Rates are of that time.")),
        (
            "2026-01-30T12:00:00Z",
            180.0 / 2_592_000.0,
            json!("Not enough data: only 3 min of 30 d were read, less than 1 %. Rates are of that time only."),
        ),
    ] {
        let answer = monitored.get(&format!("{path}?start={start}&end=2026-03-01T12:00:00Z")).await.expect(200);
        let rates = &answer["data"][0]["rates"];
        assert_eq!((&rates["xact_commit"], &rates["xact_rollback"]), (&json!(158.0), &json!(1.0)), "{start}");
        assert_eq!(rates["active_time_ms"], json!(500.0));
        assert_eq!(answer["data"][0]["covered_ms"], json!(180_000.0));
        assert!((answer["covered"]["share"].as_f64().unwrap() - share).abs() < 1e-9, "{start}");
        assert_eq!(answer["covered"]["message"], message);
        let known: Vec<f64> =
            answer["total"]["commits"].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).collect();
        assert!(known.iter().all(|rate| (rate - 158.0).abs() < 1e-9), "{known:?}");
        let before = answer["gaps"].as_array().unwrap().iter().any(|gap| gap["reason"] == "not_watched");
        assert_eq!(before, share < 1.0, "{}", answer["gaps"]);
    }
}
