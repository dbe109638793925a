//! /health and /version.

use std::time::Duration;

use serde_json::json;

use crate::support::{Server, pool};

#[tokio::test]
async fn a_server_whose_store_answers_is_healthy() {
    let server = Server::start().await;
    server.pass(Duration::from_secs(90));
    let health = server.get("/health").send().await.expect(200);
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["timestamp"], "2026-03-01T12:01:30Z");
    assert_eq!(health["uptime_seconds"], 90);
    assert_eq!(health["database_ok"], true);
    assert_eq!(health["ingest"], json!({"queue_bytes": 0, "queue_capacity_bytes": 52_428_800}));
    let client = server.app.pool.get().await.unwrap();
    let installed = client.query_one("select count(*) from pg_extension where extname = 'timescaledb'", &[]).await;
    assert_eq!(health["timescale"]["available"], installed.unwrap().get::<_, i64>(0) == 1);
}

#[tokio::test]
async fn a_server_without_its_store_is_unhealthy_and_says_so_everywhere() {
    let server = Server::over(pool("host=/nonexistent user=nobody dbname=nothing"), &[]);
    let answer = server.get("/health").send().await;
    let health = answer.expect(503);
    assert_eq!((&health["status"], &health["database_ok"]), (&json!("unhealthy"), &json!(false)));
    assert_eq!(
        health["reasons"],
        json!(["The store cannot be asked: it does not answer."]),
        "at once, and not after 2 s"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Server::over(pool(&format!("host=127.0.0.1 port={free} user=nobody dbname=nothing")), &[]);
    let health = nobody.get("/health").send().await.expect(503);
    assert_eq!(health["reasons"], json!(["The store cannot be asked: nothing listens at its address."]));
    let login = json!({"username": "ada", "password": "correct horse"});
    let answer = server.post("/auth/login").json(login).send().await;
    let body = answer.refused(503, "unavailable");
    assert!(!body.to_string().contains("nonexistent"), "{body}");
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test]
async fn the_version_is_the_crate_s() {
    let server = Server::start().await;
    let version = server.get("/version").send().await.expect(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["api_version"], "v1");
    assert!(version.get("commit").is_some());
}

#[tokio::test]
async fn a_store_that_only_reads_degrades_health_from_the_first_write_on_until_one_works() {
    let server = Server::measuring(&[]).await;
    let (id, token) = server.collector("one").await;
    let push = || {
        let body = serde_json::json!({"collector_id": id, "metrics": []});
        server.post("/metrics/push").bearer(&token).json(body).send()
    };
    push().await.expect(202);
    assert_eq!(server.get("/health").send().await.expect(200)["reasons"], serde_json::json!([]));
    let admin = server.app.pool.get().await.unwrap();
    let database: String = admin.query_one("select current_database()::text", &[]).await.unwrap().get(0);
    let read_only = async |how: &str| {
        let set = format!("alter database \"{database}\" set default_transaction_read_only = {how}");
        admin.simple_query("set default_transaction_read_only = off").await.unwrap();
        admin.simple_query(&set).await.unwrap();
        // Sessions take it from their start on.
        let others = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
                      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'";
        admin.query(others, &[]).await.unwrap();
    };
    read_only("on").await;
    // Before anybody tried to write; a connection that was just ended may be met first.
    let health = loop {
        let answer = server.get("/health").send().await;
        if answer.status == 200 {
            break answer.expect(200);
        }
    };
    let only_reads = "Nothing can be stored: it only reads: it is a standby, or set to read only.";
    assert_eq!((&health["status"], &health["reasons"]), (&json!("degraded"), &json!([only_reads])));
    let health = loop {
        // A connection that was just ended may be met first.
        push().await.expect(503);
        let health = server.get("/health").send().await.expect(200);
        if health["reasons"][0].as_str().is_some_and(|reason| reason.starts_with("Batches")) {
            break health;
        }
    };
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["reasons"][0].as_str().unwrap().starts_with("Batches cannot be stored since "), "{health}");
    read_only("off").await;
    // Without anything that was written.
    while server.get("/health").send().await.status != 200 {}
    let health = server.get("/health").send().await.expect(200);
    assert_eq!((&health["status"], &health["reasons"]), (&"healthy".into(), &serde_json::json!([])), "{health}");
}
