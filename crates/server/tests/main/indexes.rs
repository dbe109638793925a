//! GET /instances/{id}/indexes, against what was computed by hand.

use serde_json::{Value, json};

use crate::monitored::Monitored;

const SHOP: i64 = 16384;
const RANGE: &str = "start=2026-03-01T10:00:00Z&end=2026-03-01T11:00:00Z";

fn index(indexrelid: i64, name: &str, more: Value) -> Value {
    let mut row = json!({"indexrelid": indexrelid, "relid": 10, "schema": "public", "relname": name, "relkind": "i",
        "amname": "btree", "is_unique": false, "is_primary": false, "is_exclusion": false, "is_valid": true,
        "is_ready": true, "is_live": true, "is_replica_identity": false, "is_referenced": false, "columns": "a",
        "has_predicate": false, "signature": indexrelid.to_string()});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn figures(indexrelid: i64, scans: i64, all: i64) -> Value {
    json!({"indexrelid": indexrelid, "relid": 10, "idx_scan": scans, "idx_tup_read": scans * 10,
        "idx_tup_fetch": scans, "scans": all, "stats_since": "2026-01-01T00:00:00Z", "relpages": 2})
}

async fn some_indexes() -> (Monitored, String) {
    let monitored = Monitored::new().await;
    monitored.push("main", &[("pg_database", "09:00:00", json!([{"datid": SHOP, "datname": "shop"}]))]).await;
    let key = json!({"is_unique": true, "is_primary": true, "contype": "p", "signature": "1"});
    let names = json!([
        index(11, "orders_pkey", key),
        index(12, "twin", json!({"signature": "1"})),
        index(13, "broken", json!({"is_valid": false})),
        index(14, "idle", json!({"included": "b", "has_predicate": true})),
        index(15, "busy", json!({})),
        index(16, "young", json!({})),
        index(17, "needed", json!({"is_unique": true})),
        index(20, "log_idx", json!({"relid": 30, "relkind": "I", "root_relid": 20})),
        index(21, "log_1_idx", json!({"relid": 31, "root_relid": 20})),
        index(22, "log_2_idx", json!({"relid": 32, "root_relid": 20}))
    ]);
    let tables = json!([{"relid": 10, "schema": "public", "relname": "orders", "relkind": "r"}]);
    let all = json!([
        figures(11, 600, 9000),
        figures(12, 0, 0),
        figures(13, 0, 0),
        figures(14, 0, 0),
        figures(15, 60, 70),
        figures(16, 0, 0),
        figures(17, 0, 0),
        figures(21, 0, 0),
        figures(22, 120, 300)
    ]);
    let sizes: Vec<Value> =
        (11..=16).map(|oid| json!({"relid": oid, "main_bytes": oid * 8192, "fsm_bytes": 0})).collect();
    let shop = [
        ("pg_class", "09:00:00", tables),
        ("pg_index", "09:00:00", names),
        ("pg_stat_all_indexes", "11:00:00", all),
        ("relation_size", "10:58:00", json!(sizes)),
    ];
    monitored.push_database("main", SHOP, &shop).await;
    // Everything but one has been known for a month.
    monitored
        .execute("update metrics.pg_index set valid_from = valid_from - interval '30 days' where indexrelid <> 16")
        .await;
    let path = format!("/instances/{}/indexes", monitored.id("main").await);
    (monitored, path)
}

fn names(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_gravest_findings_come_first() {
    let (monitored, path) = some_indexes().await;
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    assert_eq!(
        names(&answer),
        ["broken", "twin", "idle", "young", "busy", "orders_pkey", "log_idx", "needed"],
        "{:#}",
        answer["data"]
    );
    let row = |name: &str| answer["data"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((&row("broken")["finding"], &row("broken")["droppable"]), (&json!("invalid"), &json!(true)));
    let twin = row("twin");
    assert_eq!((&twin["finding"], &twin["duplicate_of"]), (&json!("duplicate"), &json!("orders_pkey")));
    assert_eq!(twin["message"], "It is the same as orders_pkey.");
    let idle = row("idle");
    assert_eq!((&idle["finding"], &idle["message"]), (&json!("unused"), &json!("No scan since 30 Jan 2026 09:00.")));
    assert_eq!(
        (&idle["scans_since"], &idle["known_since"]),
        (&json!("2026-01-01T00:00:00Z"), &json!("2026-01-30T09:00:00Z"))
    );
    assert_eq!((&idle["table"], &idle["columns"], &idle["included"]), (&json!("orders"), &json!("a"), &json!("b")));
    assert_eq!((&idle["size_bytes"], &idle["size_is_estimate"]), (&json!(14 * 8192), &json!(false)));
    assert_eq!(
        (&row("young")["finding"], &row("young")["known_since"]),
        (&json!(null), &json!("2026-03-01T09:00:00Z"))
    );
    let key = row("orders_pkey");
    assert_eq!(
        (&key["finding"], &key["needed_for"], &key["droppable"]),
        (&json!(null), &json!("primary key"), &json!(false))
    );
    assert_eq!((&key["scans_per_s"], &key["rows_read_per_s"]), (&json!(10.0), &json!(100.0)));
    assert_eq!((&row("needed")["finding"], &row("needed")["size_is_estimate"]), (&json!(null), &json!(true)));
    // One of its partitions' indexes is scanned.
    let log = row("log_idx");
    assert_eq!((&log["partitions"], &log["scans"], &log["finding"]), (&json!(2), &json!(300), &json!(null)));
    let totals = &answer["totals"];
    assert_eq!(
        (&totals["invalid"], &totals["duplicate"], &totals["unused"], &totals["indexes"]),
        (&json!(1), &json!(1), &json!(1), &json!(8))
    );
    assert_eq!((&totals["droppable_bytes"], &answer["unused_after_days"]), (&json!(39 * 8192), &json!(7)));
}

#[tokio::test]
async fn filters_narrow_and_other_instances_count() {
    let (monitored, path) = some_indexes().await;
    let unused = monitored.get(&format!("{path}?{RANGE}&finding=unused")).await.expect(200);
    assert_eq!((names(&unused), &unused["totals"]["indexes"]), (vec!["idle"], &json!(8)));
    let list = monitored.get(&format!("{path}?{RANGE}&partitions=list&search=log_")).await.expect(200);
    assert_eq!(names(&list), ["log_1_idx", "log_2_idx"]);
    assert_eq!((&list["data"][0]["finding"], &list["data"][0]["droppable"]), (&json!("unused"), &json!(false)));
    let of_table = monitored.get(&format!("{path}?{RANGE}&relid=10&search=orders&order=scans")).await.expect(200);
    assert_eq!(names(&of_table)[..2], ["orders_pkey", "busy"], "by the table's name too");
    monitored.get(&format!("{path}?finding=ugly")).await.refused(400, "invalid_request");
    // A standby of the same cluster scans what is idle here.
    let standby = [("pg_stat_all_indexes", "10:59:00", json!([figures(14, 5, 5)]))];
    monitored.push_database("standby", SHOP, &standby).await;
    monitored.execute("update metrics.instances set system_identifier = '7301'").await;
    let unused = monitored.get(&format!("{path}?{RANGE}&finding=unused")).await.expect(200);
    assert_eq!(names(&unused), [] as [&str; 0]);
}

/// A crash leaves no trace in the numbers of scans but that they are zero.
#[tokio::test]
async fn what_a_crash_took_is_no_proof_that_nobody_scans() {
    let (monitored, path) = some_indexes().await;
    let id = monitored.id("main").await;
    let flag = format!(
        "insert into metrics.flags values ({id}, 'pg_stat_all_indexes', '2026-02-28 10:58:00Z', '2026-02-28 11:00:00Z',
             'crash_restart', null, 0)"
    );
    monitored.execute(&flag).await;
    let answer = monitored.get(&format!("{path}?{RANGE}")).await.expect(200);
    let idle = answer["data"].as_array().unwrap().iter().find(|row| row["name"] == "idle").unwrap();
    assert_eq!(
        (&idle["finding"], &idle["droppable"], &idle["known_since"]),
        (&json!(null), &json!(false), &json!("2026-02-28T11:00:00Z")),
        "{idle}"
    );
    assert_eq!(
        idle["message"],
        "Not enough data to call it unused: no scan, since 28 Feb 2026 11:00 only; it takes 7 days."
    );
    assert_eq!(answer["totals"]["unused"], json!(0));
}
