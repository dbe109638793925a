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
