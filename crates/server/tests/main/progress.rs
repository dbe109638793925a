//! GET /instances/{id}/progress: which of the numbers tell, what things are called, and what nobody knows.

use serde_json::{Value, json};

use crate::monitored::Monitored;

fn command(pid: i32, view: &str, command: &str, phase: &str, start: &str, more: Value) -> Value {
    let mut row = json!({"pid": pid, "view": format!("pg_stat_progress_{view}"), "command": command, "phase": phase,
        "datid": 16384, "userid": 10, "backend_type": "client backend", "query_start": format!("2026-03-01T{start}Z")});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

#[tokio::test]
async fn commands_that_run_are_told_by_their_names_and_how_far_they_are() {
    let monitored = Monitored::new().await;
    let databases = json!([{"datid": 16384, "datname": "shop"}]);
    let roles = json!([{"roleid": 10, "rolname": "app"}]);
    monitored.push("main", &[("pg_database", "11:00:00", databases), ("pg_roles", "11:00:00", roles)]).await;
    let tables =
        json!([{"relid": 20001, "schema": "public", "relname": "orders", "relkind": "r", "toast_relid": 20002}]);
    monitored.push_database("main", 16384, &[("pg_class", "11:00:00", tables)]).await;
    let vacuum = json!({"relid": 20002, "backend_type": "autovacuum worker", "userid": null, "heap_blks_total": 200,
        "heap_blks_scanned": 50, "heap_blks_vacuumed": 0, "index_vacuum_count": 1});
    let index = json!({"relid": 20001, "index_relid": 20009, "lockers_total": 2, "lockers_done": 1,
        "current_locker_pid": 77, "blocks_total": 9, "blocks_done": 9});
    let rows = json!([
        command(4711, "create_index", "REINDEX CONCURRENTLY", "waiting for old snapshots", "11:49:30", index),
        command(4712, "vacuum", "VACUUM", "scanning heap", "11:40:30", vacuum),
        // Without pg_read_all_stats no more than this is known.
        json!({"pid": 4713, "view": "pg_stat_progress_copy", "datid": 16384}),
    ]);
    monitored.push("main", &[("progress", "11:50:30", rows)]).await;
    let path = format!("/instances/{}/progress", monitored.id("main").await);
    let answer = monitored.get(&format!("{path}?at=2026-03-01T11:51:00Z")).await.expect(200);
    assert_eq!(answer["at"], "2026-03-01T11:50:30Z");
    let told = answer["data"].as_array().unwrap();
    let of = |row: usize, names: [&str; 6]| names.map(|name| told[row][name].clone());
    let what = ["pid", "command", "relation", "database", "user", "age_ms"];
    assert_eq!(
        of(0, what).to_vec(),
        json!([4712, "VACUUM", "the TOAST table of public.orders", "shop", null, 600_000.0])
            .as_array()
            .unwrap()
            .clone()
    );
    assert_eq!(told[0]["stage"], json!({"unit": "blocks", "done": 50, "total": 200, "share": 0.25}));
    assert_eq!((&told[0]["index_vacuum_count"], &told[0]["waits_for_pid"]), (&json!(1), &json!(null)));
    assert_eq!(
        of(1, what).to_vec(),
        json!([4711, "REINDEX CONCURRENTLY", "public.orders", "shop", "app", 60_000.0]).as_array().unwrap().clone()
    );
    assert_eq!((&told[1]["index"], &told[1]["waits_for_pid"]), (&json!("20009"), &json!(77)));
    assert_eq!(told[1]["stage"], json!({"unit": "sessions", "done": 1, "total": 2, "share": 0.5}));
    assert_eq!(of(2, what).to_vec(), json!([4713, null, null, "shop", null, null]).as_array().unwrap().clone());
    assert_eq!(told[2]["stage"], json!(null));

    let before = monitored.get(&format!("{path}?at=2026-03-01T11:50:00Z")).await.expect(200);
    assert_eq!((&before["at"], &before["data"]), (&json!(null), &json!([])));
}
