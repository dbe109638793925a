//! A watched cluster, a server and a collector, as real processes; and two ways to ask what happened: the instance
//! itself, and the API.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Pair, Pg, PgOptions, StoreDatabase};
use tokio_postgres::Client;

use crate::twice::Twice;

const PASSWORD: &str = "correct-horse-battery";
pub(crate) const SECRET: &str = "a-registration-secret-for-tests-only";
/// How long a condition may take to come true; no proof of speed.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The file that sets the collector's clock off.
const CLOCK: &str = "clock";

/// The most rows that the API gives at once.
const PAGE: usize = 1000;

/// (user, database, queryid, toplevel).
pub(crate) type Key = (String, String, String, bool);

/// Calls, rows, and time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    pub(crate) calls: i64,
    pub(crate) rows: i64,
    pub(crate) time_us: f64,
}

/// Work by statement.
pub(crate) type Ledger = BTreeMap<Key, Work>;

/// Everything under test.
pub(crate) struct World {
    pub(crate) pg: Pg,
    pub(crate) directory: tempfile::TempDir,
    store: StoreDatabase,
    http: reqwest::Client,
    port: u16,
    backend: String,
    server: Option<Child>,
    collector: Option<Child>,
    /// A collector beside it.
    another: Option<Child>,
    token: String,
    pub(crate) instance: i64,
    /// `SPOOL_MAX_BYTES`, where a test wants it small.
    pub(crate) spool_max_bytes: Option<u64>,
    /// `CONFIG_TRIAL`, where a test wants it short.
    pub(crate) config_trial: Option<&'static str>,
    /// What else is watched: names, and how to connect.
    also: Vec<(&'static str, String)>,
}

impl World {
    /// Starts a cluster with two databases and two users, a server, and a collector that reads every second.
    pub(crate) async fn start(options: PgOptions) -> Self {
        Self::start_through(options, false).await.0
    }

    /// The same; with `twice`, every batch is delivered twice.
    pub(crate) async fn start_through(options: PgOptions, twice: bool) -> (Self, Option<Twice>) {
        Self::around(Pg::start(options).await.unwrap(), twice).await
    }

    /// The same around a cluster that runs.
    pub(crate) async fn around(pg: Pg, twice: bool) -> (Self, Option<Twice>) {
        Self::beside(pg, twice, Vec::new()).await
    }

    /// The same around a primary and a standby, which is watched as `standby`.
    pub(crate) async fn pair(pair: Pair) -> (Self, Pg) {
        let also = vec![("standby", pair.standby.dsn("postgres"))];
        (Self::beside(pair.primary, false, also).await.0, pair.standby)
    }

    async fn beside(pg: Pg, twice: bool, also: Vec<(&'static str, String)>) -> (Self, Option<Twice>) {
        let admin = pg.connect("postgres").await.unwrap();
        for statement in [
            "create role pganalytics login connection limit 5",
            "grant pg_monitor to pganalytics",
            "create role app_a login",
            "create role app_b login",
            "create database one",
            "create database two",
        ] {
            admin.execute(statement, &[]).await.unwrap();
        }
        let store = testkit::store().await.unwrap();
        let port = free_port();
        let proxy = if twice { Some(Twice::start(port).await) } else { None };
        let backend =
            proxy.as_ref().map_or_else(|| format!("http://127.0.0.1:{port}"), |p| format!("http://{}", p.address));
        let mut world = Self {
            pg,
            directory: tempfile::tempdir().unwrap(),
            store,
            http: reqwest::Client::new(),
            port,
            backend,
            server: None,
            collector: None,
            another: None,
            token: String::new(),
            instance: 0,
            spool_max_bytes: None,
            config_trial: None,
            also,
        };
        world.start_server().await;
        world.sign_in().await;
        world.start_collector();
        let instances = world.until("the instance is known", async |world| world.listed("main").await?["id"].as_i64());
        world.instance = instances.await;
        world.settle().await;
        (world, proxy)
    }

    /// Starts the server and waits until it answers.
    pub(crate) async fn start_server(&mut self) {
        self.server = Some(server(&self.store.dsn, &self.path("server"), self.port).spawn().unwrap());
        let url = format!("http://127.0.0.1:{}/api/v1/health", self.port);
        self.until("the server answers", async |world| {
            world.http.get(&url).send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
    }

    async fn sign_in(&mut self) {
        let answer: Value = self
            .http
            .post(format!("http://127.0.0.1:{}/api/v1/auth/login", self.port))
            .json(&serde_json::json!({ "username": "admin", "password": PASSWORD }))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    /// Starts the collector.
    pub(crate) fn start_collector(&mut self) {
        self.collector = Some(self.spawn_collector("collector"));
    }

    /// Starts the collector with another configuration.
    pub(crate) fn start_collector_by(&mut self, configuration: &str) {
        self.collector = Some(self.spawn_by("collector", configuration));
    }

    /// Starts a collector beside it, with the same configuration and a state directory of this name.
    pub(crate) fn start_another(&mut self, state_dir: &str) {
        self.another = Some(self.spawn_collector(state_dir));
    }

    /// Kills that one.
    pub(crate) fn kill_another(&mut self) {
        kill(self.another.take());
    }

    fn spawn_collector(&self, state_dir: &str) -> Child {
        self.spawn_by(state_dir, &self.configuration(state_dir))
    }

    fn spawn_by(&self, name: &str, configuration: &str) -> Child {
        let (file, log) = (self.path(&format!("{name}.toml")), self.path(&format!("{name}.log")));
        std::fs::write(&file, configuration).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        self.run_collector(&file, log)
    }

    /// What a collector is configured with.
    pub(crate) fn configuration(&self, state_dir: &str) -> String {
        let dsn = self.pg.dsn("postgres").replace("user=postgres", "user=pganalytics");
        let config = format!(
            "[collector]\nname = \"test\"\ninterval = 1\npush_interval = 1\nstate_dir = {:?}\n\
             [backend]\nurl = \"{}\"\n[[instances]]\nname = \"main\"\ndsn = {dsn:?}\n",
            self.path(state_dir),
            self.backend
        );
        let also = self.also.iter().map(|(name, dsn)| format!("[[instances]]\nname = {name:?}\ndsn = {dsn:?}\n"));
        also.fold(config, |config, one| config + &one)
    }

    fn run_collector(&self, file: &Path, log: File) -> Child {
        // A shell in between sets what the process inherits: a write beyond its limit is an error, not its end. Without
        // a terminal, as under a service manager, SIGHUP means a new configuration.
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"trap '' XFSZ; exec setsid "$0" collector run --override-intervals --config "$1""#])
            .arg(env!("CARGO_BIN_EXE_pganalytics"))
            .arg(file)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("REGISTRATION_SECRET", SECRET)
            // Two users run a thousand statements each in one database: still below the limit.
            .env("MAX_QUERIES_PER_DB", "5000")
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(most) = self.spool_max_bytes {
            command.env("SPOOL_MAX_BYTES", most.to_string());
        }
        if let Some(trial) = self.config_trial {
            command.env("CONFIG_TRIAL", trial);
        }
        if self.path(CLOCK).exists() {
            command.env(collector::clock::TIME_OF_DAY_OFF_FILE, self.path(CLOCK));
        }
        command.spawn().unwrap()
    }

    /// Sets the time of day that the collector sees off by so many seconds; it must be started once after the first time.
    pub(crate) fn set_clock(&self, seconds: i64) {
        std::fs::write(self.path(CLOCK), seconds.to_string()).unwrap();
    }

    /// The collector's process.
    pub(crate) fn collector_pid(&self) -> u32 {
        self.collector.as_ref().unwrap().id()
    }

    /// How the collector's deliveries go.
    pub(crate) async fn delivery(&self) -> Value {
        self.get("/metrics/health").await.unwrap()["data"][0].clone()
    }

    /// Kills the collector with SIGKILL.
    pub(crate) fn kill_collector(&mut self) {
        kill(self.collector.take());
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill_server(&mut self) {
        kill(self.server.take());
    }

    /// A path in this test's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The spool of the one instance that is watched.
    pub(crate) fn spool(&self) -> PathBuf {
        let lanes = std::fs::read_dir(self.path("collector/instances")).unwrap();
        let mut lanes = lanes.map(|entry| entry.unwrap().path().join("spool"));
        let only = lanes.next().unwrap();
        assert_eq!(lanes.next(), None, "one instance, one spool");
        only
    }

    /// A JSON answer of the API; `None` where it is no success.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1{path}", self.port);
        let answer = self.http.get(url).bearer_auth(&self.token).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// Writes the configuration that the collector is to follow.
    pub(crate) async fn put_configuration(&self, text: &str) -> (reqwest::StatusCode, Value) {
        let collectors = self.get("/collectors").await.unwrap();
        let id = collectors["data"][0]["id"].as_str().unwrap().to_owned();
        self.put_configuration_of(&id, text).await
    }

    /// Writes the configuration that a collector is to follow.
    pub(crate) async fn put_configuration_of(&self, id: &str, text: &str) -> (reqwest::StatusCode, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1/config/{id}", self.port);
        let answer = self.http.put(url).bearer_auth(&self.token).body(text.to_owned()).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// Changes something of an instance.
    pub(crate) async fn change_instance(&self, id: i64, what: &str, body: Value) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/instances/{id}/{what}", self.port);
        let call = if what == "name" { self.http.put(url) } else { self.http.post(url) };
        let answer = call.bearer_auth(&self.token).json(&body).send().await.unwrap();
        let status = answer.status();
        let told: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{status} {told}");
        told
    }

    /// Asks the API for a change.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (reqwest::StatusCode, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1{path}", self.port);
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// An instance as the fleet page has it.
    pub(crate) async fn listed(&self, name: &str) -> Option<Value> {
        let fleet = self.get("/instances").await?;
        fleet["data"].as_array()?.iter().find(|instance| instance["name"] == name).cloned()
    }

    /// Waits until a reading that began now is stored and the spool is empty.
    pub(crate) async fn settle(&self) {
        let from = jiff::Timestamp::now();
        self.until("a reading is stored and the spool is empty", async |world| {
            let health = world.get("/metrics/health").await?;
            // One that an instance was taken from delivers nothing.
            let collector = health["data"].as_array()?.iter().find(|one| one["instances"][0].is_object())?;
            let set =
                collector["instances"][0]["sets"].as_array()?.iter().find(|set| set["set"] == "pg_stat_statements")?;
            let begun: jiff::Timestamp = set["last_reading_started"].as_str()?.parse().ok()?;
            let empty = collector["spool"]["records"] == 0;
            (begun > from && empty).then_some(())
        })
        .await;
    }

    /// Waits for a condition; says what was waited for when it does not come true.
    pub(crate) async fn until<T>(&self, what: &str, condition: impl AsyncFn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(value) = condition(self).await {
                return value;
            }
            if begun.elapsed() > PATIENCE {
                let logs = ["server.log", "collector.log"].map(|name| tail(&self.path(name)));
                panic!("waited in vain until {what}\nserver: {}\ncollector: {}", logs[0], logs[1]);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A connection as one of the users.
    pub(crate) async fn connect(&self, user: &str, database: &str) -> Client {
        let dsn = self.pg.dsn(database).replace("user=postgres", &format!("user={user}"));
        testkit::connect(&dsn).await.unwrap()
    }

    /// How to connect to the store.
    pub(crate) fn store_dsn(&self) -> &str {
        &self.store.dsn
    }

    /// A copy of the store as it is; the server must not run.
    pub(crate) async fn copy_store(&self) -> StoreDatabase {
        self.store.copy().await.unwrap()
    }

    /// Puts another store in place of the server's, which must not run.
    pub(crate) fn put_store(&mut self, store: StoreDatabase) {
        self.store = store;
    }

    /// Removes the collector at the server.
    pub(crate) async fn remove_collector(&self) {
        let id = self.get("/collectors").await.unwrap()["data"][0]["id"].as_str().unwrap().to_owned();
        let url = format!("http://127.0.0.1:{}/api/v1/collectors/{id}", self.port);
        let answer = self.http.delete(url).bearer_auth(&self.token).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// `pganalytics collector register`, with more arguments.
    pub(crate) fn register(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pganalytics"))
            .args(["collector", "register", "--config"])
            .arg(self.path("collector.toml"))
            .args(arguments)
            .env_clear()
            .env("REGISTRATION_SECRET", SECRET)
            .output()
            .unwrap()
    }

    /// A connection to the store.
    pub(crate) async fn store_connection(&self) -> Client {
        self.store.connect().await.unwrap()
    }

    /// What the instance itself has counted for the users.
    pub(crate) async fn truth(&self) -> Ledger {
        let admin = self.pg.connect("postgres").await.unwrap();
        let rows = admin
            .query(
                "select r.rolname::text, d.datname::text, s.queryid::text, s.toplevel, s.calls, s.rows, s.total_exec_time
                 from pg_stat_statements(false) s
                 join pg_roles r on r.oid = s.userid join pg_database d on d.oid = s.dbid
                 where r.rolname like 'app\\_%'",
                &[],
            )
            .await
            .unwrap();
        rows.iter()
            .map(|row| {
                let time_us = row.get::<_, f64>(6) * 1000.0;
                (
                    (row.get(0), row.get(1), row.get(2), row.get(3)),
                    Work { calls: row.get(4), rows: row.get(5), time_us },
                )
            })
            .collect()
    }

    /// What the API says for the users in a range.
    pub(crate) async fn stored(&self, start: jiff::Timestamp, end: jiff::Timestamp) -> Ledger {
        let mut ledger = Ledger::new();
        for user in ["app_a", "app_b"] {
            for database in ["one", "two"] {
                for offset in (0..).step_by(PAGE) {
                    let path = format!(
                        "/instances/{}/queries?start={start}&end={end}&user={user}&database={database}\
                         &limit={PAGE}&offset={offset}&trend=false",
                        self.instance
                    );
                    let answer = self.get(&path).await.unwrap_or_else(|| panic!("no answer to {path}"));
                    let rows = answer["data"].as_array().unwrap();
                    for row in rows {
                        let (key, work) = entry(row);
                        assert!(ledger.insert(key, work).is_none(), "a statement stands twice in {path}");
                    }
                    if rows.len() < PAGE {
                        break;
                    }
                }
            }
        }
        ledger
    }

    /// The reasons of flagged intervals in a range.
    pub(crate) async fn flags(&self, start: jiff::Timestamp, end: jiff::Timestamp) -> Vec<String> {
        let path = format!("/instances/{}/queries?start={start}&end={end}&limit=1", self.instance);
        let answer = self.get(&path).await.unwrap();
        let flags = answer["flagged_intervals"].as_array().unwrap().iter();
        flags.map(|flag| flag["reason"].as_str().unwrap().to_owned()).collect()
    }
}

/// A row of a ranking.
fn entry(row: &Value) -> (Key, Work) {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let key = (text("user"), text("database"), text("queryid"), row["toplevel"].as_bool().unwrap());
    let work = Work {
        calls: row["calls"].as_i64().unwrap(),
        rows: row["rows"].as_i64().unwrap(),
        time_us: row["total_exec_time_ms"].as_f64().unwrap() * 1000.0,
    };
    (key, work)
}

impl Drop for World {
    fn drop(&mut self) {
        kill(self.another.take());
        kill(self.collector.take());
        kill(self.server.take());
    }
}

/// The work between two snapshots.
pub(crate) fn between(before: &Ledger, after: &Ledger) -> Ledger {
    let mut work = Ledger::new();
    for (key, now) in after {
        let was = before.get(key).copied().unwrap_or_default();
        if now.calls != was.calls {
            let difference =
                Work { calls: now.calls - was.calls, rows: now.rows - was.rows, time_us: now.time_us - was.time_us };
            work.insert(key.clone(), difference);
        }
    }
    work
}

/// Calls and rows are the same, times within a microsecond.
pub(crate) fn assert_exact(stored: &Ledger, truth: &Ledger) {
    let missing: Vec<_> = truth.keys().filter(|key| !stored.contains_key(*key)).take(5).collect();
    assert!(missing.is_empty(), "not stored: {missing:?}");
    for (key, work) in stored {
        let Some(real) = truth.get(key) else { panic!("never happened: {key:?} {work:?}") };
        let same = work.calls == real.calls && work.rows == real.rows && (work.time_us - real.time_us).abs() <= 1.0;
        assert!(same, "{key:?}: stored {work:?}, happened {real:?}");
    }
}

/// Nothing is negative or above what happened.
pub(crate) fn assert_lower_bound(stored: &Ledger, truth: &Ledger) {
    for (key, work) in stored {
        let Some(real) = truth.get(key) else { panic!("never happened: {key:?} {work:?}") };
        let positive = work.calls >= 0 && work.rows >= 0 && work.time_us >= 0.0;
        let bounded = work.calls <= real.calls && work.rows <= real.rows && work.time_us <= real.time_us + 1.0;
        assert!(positive && bounded, "{key:?}: stored {work:?}, happened {real:?}");
    }
}

fn kill(child: Option<Child>) {
    if let Some(mut child) = child {
        // One that has ended by itself is only waited for.
        let _ = child.kill();
        child.wait().unwrap();
    }
}

/// A server over a store, which limits nobody; it logs beside its directory.
pub(crate) fn server(dsn: &str, data_dir: &Path, port: u16) -> Command {
    let log = data_dir.with_extension("log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pganalytics"));
    command
        .arg("server")
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("DATABASE_URL", dsn)
        .env("DATA_DIR", data_dir)
        .env("PORT", port.to_string())
        .env("ADMIN_PASSWORD", PASSWORD)
        .env("REGISTRATION_SECRET", SECRET)
        .env("RATE_LIMIT_USER_PER_MINUTE", "100000")
        .env("RATE_LIMIT_COLLECTOR_PER_MINUTE", "100000")
        .env("RATE_LIMIT_ADDRESS_PER_MINUTE", "100000")
        .stdout(Stdio::null())
        .stderr(log);
    command
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
