//! GET /instances/{id}/settings, against what was computed by hand.

use serde_json::json;

use crate::monitored::Monitored;

#[tokio::test]
async fn settings_are_as_they_were_at_the_moment() {
    let monitored = Monitored::new().await;
    let work_mem = |value: &str, pending: bool| {
        json!({"name": "work_mem", "setting": value, "unit": "kB", "boot_val": "4096", "source": "default",
            "category": "Resource Usage / Memory", "short_desc": "Memory.", "pending_restart": pending})
    };
    let readings = [
        ("pg_settings", "10:00:00", json!([work_mem("4096", false), {"name": "a.plugin", "setting": "on"}])),
        ("pg_settings", "11:00:00", json!([work_mem("8192", false)])),
        // Sent anew with another property: the value is as old as before.
        ("pg_settings", "11:30:00", json!([work_mem("8192", true), {"name": "a.plugin", "removed": true}])),
        ("pg_settings", "12:04:00", json!([work_mem("1", false)])),
    ];
    monitored.push("main", &readings).await;
    let path = format!("/instances/{}/settings", monitored.id("main").await);
    let now = monitored.get(&path).await.expect(200);
    assert_eq!(
        now,
        json!({"count": 1, "data": [{"name": "work_mem", "setting": "8192", "unit": "kB", "boot_val": "4096",
            "source": "default", "category": "Resource Usage / Memory", "short_desc": "Memory.",
            "pending_restart": true, "changed_at": "2026-03-01T11:00:00Z"}]})
    );
    let before = monitored.get(&format!("{path}?at=2026-03-01T10:59:59Z")).await.expect(200);
    assert_eq!(before["count"], 2);
    assert_eq!((&before["data"][0]["name"], &before["data"][0]["changed_at"]), (&json!("a.plugin"), &json!(null)));
    assert_eq!((&before["data"][1]["setting"], &before["data"][1]["changed_at"]), (&json!("4096"), &json!(null)));
    assert_eq!(monitored.get(&format!("{path}?at=2026-03-01T09:00:00Z")).await.expect(200)["count"], 0);
}

#[tokio::test]
async fn pages_become_bytes_by_the_instances_own_block_size() {
    let monitored = Monitored::new().await;
    let index = |oid: i64| {
        json!([{"indexrelid": oid, "relid": 10, "schema": "public", "relname": "orders_pkey", "relkind": "i",
            "amname": "btree", "is_unique": true, "is_primary": true, "is_exclusion": false, "is_valid": true,
            "is_ready": true, "is_live": true, "is_replica_identity": false, "is_referenced": false, "columns": "a",
            "has_predicate": false, "signature": "1"}])
    };
    let pages = json!([{"indexrelid": 11, "relid": 10, "idx_scan": 1, "idx_tup_read": 1, "idx_tup_fetch": 1,
        "scans": 1, "stats_since": "2026-01-01T00:00:00Z", "relpages": 3}]);
    let table = json!([{"relid": 10, "schema": "public", "relname": "orders", "relkind": "r"}]);
    let read = [
        ("pg_class", "09:00:00", table),
        ("pg_index", "09:00:00", index(11)),
        ("pg_stat_all_indexes", "11:00:00", pages),
    ];
    monitored.push_database("main", 16384, &read).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    let seen = async || {
        let indexes = monitored.get(&format!("{path}/indexes")).await.expect(200);
        let instance = monitored.get(&path).await.expect(200);
        (instance["block_size"].clone(), indexes["data"][0]["size_bytes"].clone())
    };
    assert_eq!(seen().await, (json!(8192), json!(3 * 8192)), "as usual, until it is read");
    let block_size = json!([{"name": "block_size", "setting": "32768"}]);
    monitored.push("main", &[("pg_settings", "11:30:00", block_size)]).await;
    assert_eq!(seen().await, (json!(32768), json!(3 * 32768)));
}
