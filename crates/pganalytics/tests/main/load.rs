//! `pganalytics load` against a real server and a store: what it finds, and what it exits with.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::StoreDatabase;

const SECRET: &str = "a-registration-secret-for-tests-only";
const PASSWORD: &str = "correct-horse-battery";
/// How long a condition may take to come true; no proof of speed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with the limits that it has when nobody says anything.
struct Served {
    /// None where it keeps a private one.
    store: Option<StoreDatabase>,
    directory: tempfile::TempDir,
    url: String,
    server: Child,
}

impl Served {
    /// Over a store of the test's own.
    async fn start() -> Self {
        Self::over(Some(testkit::store().await.unwrap())).await
    }

    async fn over(store: Option<StoreDatabase>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(directory.path().join("server.log")).unwrap();
        let server = Command::new(env!("CARGO_BIN_EXE_pganalytics"))
            .arg("server")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(store.iter().map(|store| ("DATABASE_URL", &store.dsn)))
            .env("DATA_DIR", directory.path().join("data"))
            .env("PORT", port.to_string())
            .env("ADMIN_PASSWORD", PASSWORD)
            .env("REGISTRATION_SECRET", SECRET)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let served = Self { store, directory, url: format!("http://127.0.0.1:{port}"), server };
        let began = Instant::now();
        while !served.answers().await {
            assert!(began.elapsed() < PATIENCE, "the server does not answer: {}", served.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        served
    }

    async fn answers(&self) -> bool {
        let answer = reqwest::get(format!("{}/api/v1/health", self.url)).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("server.log")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = load(&["--url", &self.url, "--registration-secret", SECRET, "--json"]);
        command.args(arguments).args(self.store.iter().flat_map(|store| ["--store-url", &store.dsn]));
        command
    }

    async fn ask(&self, sql: &str) -> i64 {
        let client = self.store.as_ref().unwrap().connect().await.unwrap();
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The report, and the exit code.
    async fn load(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (report(&output), output.status.code())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // In order, with its private store; one that has ended by itself is only waited for.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.server.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        self.server.wait().unwrap();
    }
}

fn load(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pganalytics"));
    command.arg("load").args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

#[tokio::test]
async fn what_is_sent_twice_late_and_by_restarted_collectors_is_stored_once() {
    let served = Served::start().await;
    let pid = served.server.id().to_string();
    let (report, code) = served
        .load(&[
            "--collectors",
            "20",
            "--statements",
            "30",
            "--interval",
            "500ms",
            "--duration",
            "3s",
            "--restarts",
            "2",
            "--duplicates",
            "0.5",
            "--out-of-order",
            "0.3",
            "--clock-drift",
            "2h",
            "--server-pid",
            &pid,
        ])
        .await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(number(&report, "registered"), 20);
    assert_eq!((number(&report, "batches"), number(&report, "batches_acknowledged")), (120, 120), "{report:#}");
    let rows = number(&report, "rows_sent");
    assert!(rows > 20 * 4 * 30, "{report:#}");
    assert_eq!((number(&report, "rows_acknowledged"), number(&report, "rows_stored")), (rows, rows));
    assert!(number(&report, "sent_twice") > 20, "{report:#}");
    assert_eq!(report["duplicates"], report["sent_twice"], "each of them is told: {report:#}");
    assert_eq!(report["comparison"]["equal"], 20 * 8);
    assert_eq!(report["comparison"]["undecided_collectors"], 0);
    assert!(report["comparison"]["time_error_max_ms"].as_f64().unwrap() < 5000.0, "clocks are corrected: {report:#}");
    assert!(report["ack_ms"]["p50"].as_f64().unwrap() > 0.0);
    for who in ["server", "store"] {
        assert!(report[who]["memory_max_mb"].as_f64().is_some_and(|mb| mb > 0.0), "{who}: {report:#}");
    }
    // Who does not know the secret is told at once.
    let mut wrong = load(&["--url", &served.url, "--registration-secret", "another-registration-secret"]);
    let output = tokio::task::spawn_blocking(move || wrong.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("The registration secret is wrong."), "{said}");
    // Two epochs more than collectors, and nobody else.
    assert_eq!(served.ask("select count(*) from metrics.ledger").await, 20 * 3);
}

#[tokio::test]
async fn a_backlog_in_few_requests_arrives_whole_and_the_collectors_are_removed() {
    let served = Served::start().await;
    let (report, code) = served
        .load(&[
            "--collectors",
            "3",
            "--statements",
            "10",
            "--interval",
            "10m",
            "--duration",
            "1s",
            "--backlog",
            "1d",
            "--batches-per-request",
            "50",
            "--duplicates",
            "0.3",
            "--out-of-order",
            "0.3",
            "--bursts",
            "--cleanup",
            "--user",
            "admin",
            "--password",
            PASSWORD,
        ])
        .await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(number(&report, "batches_acknowledged"), 3 * 145, "{report:#}");
    assert!(number(&report, "requests") < 3 * 10, "{report:#}");
    let sent_twice = number(&report, "sent_twice");
    assert!((60..250).contains(&sent_twice) && report["duplicates"] == sent_twice, "of the backlog too: {report:#}");
    let oldest_ms = report["delivery_ms"]["max"].as_f64().unwrap();
    assert!(oldest_ms > 23.0 * 3_600_000.0, "the first of the backlog was read a day ago: {report:#}");
    assert_eq!(report["rows_stored"], report["rows_sent"]);
    // Who cannot remove them is told before anything is sent.
    let cleanup = ["--url", &served.url, "--registration-secret", SECRET, "--cleanup", "--user", "admin"];
    let mut wrong = load(&[&cleanup[..], &["--password", "not the password"]].concat());
    let wrong = tokio::task::spawn_blocking(move || wrong.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(1) && said.contains("prepare --cleanup: sign in as admin"), "{said}");
    let left = "select count(*) from pganalytics.collectors where name like 'load-%' and revoked_at is null";
    assert_eq!(served.ask(left).await, 0, "{report:#}");
}

/// Changes what one collector is answered for, as soon as it is there.
async fn behind_its_back(served: &Served, change: &str) {
    let client = served.store.as_ref().unwrap().connect().await.unwrap();
    let began = Instant::now();
    while client.execute(change, &[]).await.unwrap_or(0) == 0 {
        assert!(began.elapsed() < PATIENCE, "nothing to change: {change}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_row_that_is_lost_or_changed_in_the_store_is_found() {
    let served = Served::start().await;
    let one_row = "ctid = any (array(select ctid from metrics.pg_stat_statements limit 1))";
    let lost = format!("delete from metrics.pg_stat_statements where {one_row}");
    let changed = "update metrics.sessions set query_age = coalesce(query_age, 0) + 1 where ctid = any (array(
                       select ctid from metrics.sessions limit 1))";
    let arguments = ["--collectors", "2", "--statements", "5", "--interval", "500ms", "--duration", "2s"];
    let ((report, code), (), ()) =
        tokio::join!(served.load(&arguments), behind_its_back(&served, &lost), behind_its_back(&served, changed));
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(number(&report, "rows_stored") + 1, number(&report, "rows_acknowledged"));
    assert_eq!(report["comparison"]["different"], 2, "{report:#}");
    let differences = report["comparison"]["differences"].as_array().unwrap();
    let of = |set: &str| differences.iter().find(|one| one["set"] == set).unwrap_or_else(|| panic!("{report:#}"));
    let statements = of("pg_stat_statements");
    assert_eq!(statements["figures"][0]["figure"], "rows");
    let first = statements["first"].as_str().unwrap();
    assert!(first.contains("has 4 rows of 5; not as sent: userid "), "{first}");
    assert!(of("sessions")["first"].as_str().unwrap().contains("not as sent: datid "), "{report:#}");
}

#[tokio::test]
async fn a_thousand_at_once_are_all_taken_and_nobody_is_told_an_untruth() {
    // The private store has fewer connections than a server wants.
    let served = Served::over(None).await;
    let (report, code) = served
        .load(&[
            "--collectors",
            "1000",
            "--statements",
            "2",
            "--interval",
            "60s",
            "--duration",
            "1s",
            "--bursts",
            "--connections",
            "1000",
            "--grace",
            "10m",
        ])
        .await;
    assert_eq!(code, Some(0), "{report:#}\n{}", served.log());
    assert_eq!((number(&report, "registered"), number(&report, "batches_acknowledged")), (1000, 1000));
    assert_eq!(report["rows_acknowledged"], report["rows_sent"]);
    assert_eq!(report["comparison"]["not_compared"], "--store-url is not given");
    // The store is well: whoever is put off is told what is short.
    let told = report["answers"].as_object().unwrap();
    let untrue = ["store is not available", "Too many requests", "500 "];
    assert!(!told.keys().any(|words| untrue.iter().any(|untrue| words.contains(untrue))), "{told:?}");
}

#[tokio::test]
async fn an_interrupt_ends_it_early_with_a_report() {
    let served = Served::start().await;
    let mut command =
        served.command(&["--collectors", "5", "--statements", "5", "--interval", "500ms", "--duration", "1h"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(running.id()).unwrap());
    // A collector's second batch follows the answer to its first.
    let second = "select count(*) from metrics.ledger where upper(seen) - lower(seen) > 1";
    let began = Instant::now();
    while served.ask(second).await == 0 {
        assert!(began.elapsed() < PATIENCE, "nothing is stored");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap()).await.unwrap();
    let report = report(&output);
    assert_eq!((output.status.code(), &report["ended_early"]), (Some(0), &Value::Bool(true)), "{report:#}");
    assert!(number(&report, "batches_acknowledged") > 0);
    assert_eq!(report["comparison"]["different"], 0, "{report:#}");
}

#[test]
fn what_does_not_go_together_is_wrong_usage() {
    let usual = ["--url", "http://127.0.0.1:9", "--registration-secret", SECRET];
    for wrong in [
        &["--restarts", "10", "--duration", "10s", "--interval", "1s"][..],
        &["--interval", "1ms"],
        &["--backlog", "20d"],
        &["--duplicates", "2"],
        &["--collectors", "0"],
        &["--connections", "3000"],
        &["--duration", "soon"],
        &["--cleanup"],
        &["--url", "ftp://somewhere"],
    ] {
        let begin = if wrong[0] == "--url" { &usual[2..] } else { &usual[..] };
        let arguments = [begin, wrong].concat();
        let output = load(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
    let unreachable = [&usual[..], &["--store-url", "host=/nonexistent user=x dbname=y"]].concat();
    let output = load(&unreachable).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/nonexistent"), "{said}");
}
