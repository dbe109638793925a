//! What a script may push although PostgreSQL never says it: moments without end, rows without their labels.

use catalog::{Catalog, Scope, Type};
use serde_json::{Value, json};
use server::http::endpoints;

use crate::monitored::Monitored;

const RANGE: &str = "start=2026-03-01T11:00:00Z&end=2026-03-01T11:55:00Z";

#[tokio::test]
async fn moments_without_end_and_rows_without_labels_break_nothing() {
    let monitored = Monitored::new().await;
    let lock = json!([{"pid": 1, "blocker_pid": 2, "waitstart": "infinity", "xact_start": "-infinity",
        "blocker_xact_start": "infinity", "blocker_state_change": "-infinity"}, {"pid": null, "blocker_pid": null}]);
    let kind = json!({"backend_type": "client backend", "sessions": 2});
    let session = json!([{"pid": null, "backend_type": "client backend", "state": "active"},
        {"pid": 3, "backend_type": "client backend", "state": "active", "xact_start": "infinity"}]);
    let readings = [
        ("lock_waits", "11:54:00", lock),
        ("sessions", "11:54:00", json!([kind])),
        ("pg_stat_activity", "11:54:00", session),
    ];
    monitored.push("main", &readings).await;
    let table = json!([{"relid": null}, {"relid": 7, "last_vacuum": "infinity", "last_autovacuum": "-infinity",
        "last_analyze": "infinity", "last_autoanalyze": "-infinity"}]);
    let index = json!([{"indexrelid": null, "relid": null, "scans": 1},
        {"indexrelid": 8, "relid": 7, "last_idx_scan": "infinity", "stats_since": "-infinity"}]);
    let readings = [
        ("pg_stat_all_tables", "11:54:00", table),
        ("pg_stat_all_indexes", "11:54:00", index),
        ("relation_size", "11:54:00", json!([{"relid": null, "main_bytes": 1}])),
        ("pg_class", "11:54:00", json!([{"relid": 7, "relname": "one"}])),
    ];
    monitored.push_database("main", 5, &readings).await;
    // What names a thing must say which; beside it nothing is lost.
    let named = json!({"type": "pg_class", "timestamp": "2026-03-01T11:54:00Z", "instance": "main", "database": 5,
        "rows": [{"relid": null, "relname": "none"}, {"relid": 9, "relname": "two"}]});
    let answer = monitored.send(json!({"collector_id": monitored.collector, "metrics": [named]})).await;
    assert_eq!(answer["rejected"], json!([{"set": "pg_class", "reason": "no_key", "rows": 1}]));
    assert_eq!(answer["rows_by_set"], json!({"pg_class": 1}));
    let path = format!("/instances/{}", monitored.id("main").await);
    let locks = monitored.get(&format!("{path}/locks?{RANGE}")).await.expect(200);
    assert_eq!((&locks["blocked"], &locks["data"][0]["xact_start"]), (&json!(1), &json!(null)));
    let connections = monitored.get(&format!("{path}/connections?{RANGE}")).await.expect(200);
    assert_eq!(connections["total"], json!(2));
    let activity = monitored.get(&format!("{path}/activity?at=2026-03-01T11:55:00Z")).await.expect(200);
    assert_eq!((&activity["total"], &activity["data"][0]["pid"]), (&json!(1), &json!(3)));
    let tables = monitored.get(&format!("{path}/tables?{RANGE}")).await.expect(200);
    assert_eq!((&tables["total"], &tables["data"][0]["last_vacuum"]), (&json!(1), &json!(null)));
    let indexes = monitored.get(&format!("{path}/indexes?{RANGE}")).await.expect(200);
    assert_eq!((&indexes["total"], &indexes["data"][0]["last_scan"]), (&json!(1), &json!(null)));
}

/// A value that fits, and a moment without end for every moment.
fn without_end(column: &catalog::Column, end: &str) -> Value {
    match (column.column_type, column.name.as_str()) {
        (Type::Timestamptz, _) => json!(end),
        (Type::Bool, _) => json!(true),
        (Type::Text, "state") => json!("idle in transaction"),
        (Type::Text, "backend_type") => json!("client backend"),
        (Type::Text, _) => json!("1"),
        (Type::Lsn, _) => json!("0/1"),
        _ => json!(5),
    }
}

/// Every moment of every set at once, so that whoever reads one and forgets that it may have no end is found.
#[tokio::test]
async fn moments_without_end_in_any_column_break_no_answer() {
    let catalog = Catalog::embedded().unwrap();
    let mut broken = Vec::new();
    for end in ["infinity", "-infinity"] {
        let monitored = Monitored::new().await;
        let mut moments = 0;
        for set in catalog.sets() {
            let columns = &set.definition.columns;
            moments += columns.iter().filter(|column| column.column_type == Type::Timestamptz).count();
            let row: serde_json::Map<String, Value> =
                columns.iter().map(|column| (column.name.clone(), without_end(column, end))).collect();
            let readings = [(set.name(), "11:59:30", json!([row]))];
            match set.definition.scope {
                Scope::Database => monitored.push_database("main", 5, &readings).await,
                _ => monitored.push("main", &readings).await,
            }
        }
        assert!(moments > 20, "{moments}");
        assert_eq!(monitored.id("main").await, 1, "paths of examples name it");
        for endpoint in endpoints().iter().filter(|endpoint| endpoint.method.as_str() == "GET") {
            for query in ["", "?start=2026-03-01T11:00:00Z&end=2026-03-01T12:00:00Z"] {
                let path = format!("{}{query}", endpoint.example_path());
                let answer = monitored.get(&path).await;
                if answer.status.is_server_error() {
                    broken.push(format!("{end}: {path}: {}", answer.status));
                }
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[tokio::test]
async fn no_moment_and_no_step_breaks_an_answer() {
    let monitored = Monitored::new().await;
    monitored.push("main", &[("wal", "11:54:00", json!([{"position": "0/1"}]))]).await;
    let path = format!("/instances/{}", monitored.id("main").await);
    let views = [
        "activity",
        "waits",
        "locks",
        "connections",
        "databases",
        "tables",
        "indexes",
        "replication",
        "slots",
        "wal",
        "wraparound",
        "settings",
        "host",
        "disks",
        "collector",
        "queries",
    ];
    let asked = [
        "at=-009999-01-02T01:59:59Z",
        "at=1969-12-31T23:59:59Z",
        "at=9999-12-30T22:00:00Z",
        "step=0",
        "step=-1",
        "step=9223372036854775807",
        "end=9999-12-30T22:00:00Z",
        "start=-009999-01-02T01:59:59Z",
        "start=1970-01-01T00:00:00Z&end=9999-12-30T22:00:00Z",
        "start=9999-12-30T22:00:00Z",
        "limit=0",
        "limit=-1",
        "limit=18446744073709551615",
        "offset=18446744073709551615",
    ];
    let mut broken = Vec::new();
    let rows = "/metrics?instance_id=1&set=wal";
    for query in ["start=-009999-01-02T01:59:59Z", "end=9999-12-30T22:00:00Z", "step=9223372036854775807", "step=0"] {
        let answer = monitored.get(&format!("{rows}&{query}")).await;
        if !matches!(answer.status.as_u16(), 200 | 400) {
            broken.push(format!("{rows}&{query}: {}", answer.status));
        }
    }
    for view in views {
        for query in asked {
            let answer = monitored.get(&format!("{path}/{view}?{query}")).await;
            if !matches!(answer.status.as_u16(), 200 | 400) {
                broken.push(format!("{view}?{query}: {}", answer.status));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}
