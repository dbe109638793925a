//! Several servers on one store, as processes: what one is told holds at the other at once, and no work is left lying.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::StoreDatabase;
use tokio_postgres::Client;

const SECRET: &str = "a-registration-secret-for-tests-only";
const PASSWORD: &str = "correct-horse-battery";
/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(120);

/// One of them.
struct Server {
    _directory: tempfile::TempDir,
    url: String,
    process: Child,
}

impl Server {
    async fn start(store: &StoreDatabase) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(env!("CARGO_BIN_EXE_pganalytics"))
            .arg("server")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("DATABASE_URL", &store.dsn)
            .env("DATA_DIR", directory.path())
            .env("PORT", port.to_string())
            .env("ADMIN_PASSWORD", PASSWORD)
            .env("REGISTRATION_SECRET", SECRET)
            .env("JWT_SECRET", "what-all-servers-of-one-store-sign-with")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { _directory: directory, url: format!("http://127.0.0.1:{port}/api/v1"), process };
        let began = Instant::now();
        while !reqwest::get(format!("{}/health", server.url)).await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(began.elapsed() < PATIENCE, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    /// Sends a request; answers its status and document.
    async fn call(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let method = method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body).header("X-Registration-Secret", SECRET);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn sign_in(&self) -> String {
        let body = json!({"username": "admin", "password": PASSWORD});
        let (status, answer) = self.call("POST", "/auth/login", "", Some(&body)).await;
        assert_eq!(status, StatusCode::OK);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Registers a collector; answers its id and token.
    async fn register(&self) -> (String, String) {
        let body = json!({"name": "db1", "hostname": "db1", "version": "4.0.0"});
        let (status, answer) = self.call("POST", "/collectors/register", "", Some(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let word = |name: &str| answer[name].as_str().unwrap().to_owned();
        (word("collector_id"), word("token"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without a chance to tidy up.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn batch(collector: &str, epoch: uuid::Uuid, sequence: u64) -> Value {
    let now = Timestamp::now().to_string();
    let rows = [json!({"in_recovery": false})];
    let reading = json!({"type": "wal", "timestamp": now, "interval_ms": 1000, "instance": "main", "rows": rows});
    json!({"collector_id": collector, "hostname": "db1", "version": "1.0.0", "timestamp": now, "epoch": epoch,
        "sequence": sequence, "metrics": [reading]})
}

#[tokio::test]
async fn what_is_revoked_at_one_server_is_refused_by_the_other_at_once() {
    let store = testkit::store().await.unwrap();
    let (one, two) = (Server::start(&store).await, Server::start(&store).await);
    let (collector, token) = one.register().await;
    let epoch = uuid::Uuid::now_v7();
    let (status, answer) = two.call("POST", "/metrics/push", &token, Some(&batch(&collector, epoch, 1))).await;
    assert_eq!((status, &answer["rows_inserted"]), (StatusCode::ACCEPTED, &json!(1)), "{answer}");
    let admin = one.sign_in().await;
    assert_eq!(two.call("GET", "/auth/me", &admin, None).await.0, StatusCode::OK, "a session is of the store");
    let (status, _) = one.call("DELETE", &format!("/collectors/{collector}"), &admin, None).await;
    assert!(status.is_success());
    let refused = two.call("POST", "/metrics/push", &token, Some(&batch(&collector, epoch, 2))).await;
    assert_eq!(refused.0, StatusCode::UNAUTHORIZED, "{}", refused.1);
    let (status, _) = one.call("POST", "/auth/logout", &admin, None).await;
    assert!(status.is_success());
    assert_eq!(two.call("GET", "/auth/me", &admin, None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_batch_that_comes_to_both_servers_at_once_is_stored_once() {
    let store = testkit::store().await.unwrap();
    let (one, two) = (Server::start(&store).await, Server::start(&store).await);
    let (collector, token) = one.register().await;
    let epoch = uuid::Uuid::now_v7();
    for sequence in 1..=20 {
        let body = batch(&collector, epoch, sequence);
        let (a, b) = tokio::join!(
            one.call("POST", "/metrics/push", &token, Some(&body)),
            two.call("POST", "/metrics/push", &token, Some(&body))
        );
        let mut duplicates = [&a.1["duplicate"], &b.1["duplicate"]].map(|one| one.as_bool().unwrap_or_default());
        duplicates.sort_unstable();
        assert_eq!(
            (a.0, b.0, duplicates),
            (StatusCode::ACCEPTED, StatusCode::ACCEPTED, [false, true]),
            "{} {}",
            a.1,
            b.1
        );
    }
    let client = store.connect().await.unwrap();
    let stored = client.query_one("select count(*) from metrics.wal where not in_recovery", &[]).await.unwrap();
    assert_eq!(stored.get::<_, i64>(0), 20);
}

/// Waits until a statement answers something.
async fn until<T: for<'a> tokio_postgres::types::FromSql<'a>>(client: &Client, sql: &str) -> T {
    let began = Instant::now();
    loop {
        if let Some(row) = client.query_opt(sql, &[]).await.unwrap() {
            return row.get(0);
        }
        assert!(began.elapsed() < PATIENCE, "{sql}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_job_of_a_killed_server_is_done_by_the_other_within_half_a_minute() {
    let store = testkit::store().await.unwrap();
    let one = Server::start(&store).await;
    let client = store.connect().await.unwrap();
    let blocker = store.connect().await.unwrap();
    until::<bool>(&client, "select true from metrics.jobs where name = 'retention' and finished_at is not null").await;
    // Retention waits in the middle of its work.
    blocker.simple_query("begin; lock table metrics.flags").await.unwrap();
    client.simple_query("update metrics.jobs set next_at = now() where name = 'retention'").await.unwrap();
    let held = "select holder from metrics.jobs where name = 'retention' and held_until > now() and exists (
        select from pg_locks where not granted and relation = 'metrics.flags'::regclass)";
    let holder: uuid::Uuid = until(&client, held).await;
    let two = Server::start(&store).await;
    drop(one);
    let killed: Timestamp = client.query_one("select clock_timestamp()", &[]).await.unwrap().get(0);
    let taken = format!("select started_at from metrics.jobs where name = 'retention' and holder <> '{holder}'");
    let taken: Timestamp = until(&client, &taken).await;
    let seconds = taken.duration_since(killed).as_secs_f64();
    assert!(seconds < 30.0, "it was taken over after {seconds} s");
    blocker.simple_query("rollback").await.unwrap();
    let done = format!(
        "select true from metrics.jobs where name = 'retention' and holder is null and failures = 0
             and finished_at > '{taken}'"
    );
    until::<bool>(&client, &done).await;
    assert_eq!(reqwest::get(format!("{}/health", two.url)).await.unwrap().status(), StatusCode::OK);
}
