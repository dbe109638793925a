//! The demo as a person starts it: what it prints, what it runs, what it leaves, and who may start it again.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cluster::{Cluster, ClusterOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// A start makes three clusters, on a machine that may be busy.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A stop ends them in order.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Until every kind of work has been seen.
const WORK_LIMIT: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Each kind of work, and how it shows: a query that counts it.
const WORK: [(&str, &str); 12] = [
    ("orders by statements", "statement like 'insert into orders%' and toplevel"),
    ("orders by a function", "statement like 'insert into orders%' and not toplevel"),
    ("payments", "statement like 'insert into payments%'"),
    ("stock", "statement like 'update stock%'"),
    ("sessions", "statement like 'insert into sessions%'"),
    ("a search without an index", "statement like '%where tracking_code = $1%'"),
    ("a report that spills", "statement like 'select date_trunc%' and temp_blks_written > 0"),
    ("an export", "statement like 'create index order_export%'"),
    ("archiving", "statement like 'delete from orders%'"),
    ("the register", "statement like 'select id, first_name, last_name, stage%'"),
    ("a mapper's many statements", "statement like 'select t0.id%' and of_its_kind >= 50"),
    ("the collector", "rolname = 'pganalytics'"),
];

/// A demo's process and its directory.
pub(crate) struct Demo {
    home: TempDir,
    child: Option<Child>,
}

impl Demo {
    /// A place that the account that runs PostgreSQL can enter.
    pub(crate) fn prepare() -> Self {
        let open = fs::Permissions::from_mode(0o755);
        let home = tempfile::Builder::new().prefix("pga-demo-").permissions(open).tempdir().unwrap();
        Self { home, child: None }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pganalytics"));
        command.args(["demo", "--data-dir"]).arg(self.data_dir()).args(more).env("PORT", "0");
        command
    }

    /// Starts it and waits for what it says: the address and the sign-in.
    pub(crate) async fn start(&mut self, more: &[&str]) -> Said {
        let out = File::create(self.home.path().join("out")).unwrap();
        let progress = File::create(self.home.path().join("progress")).unwrap();
        let child = self.command(more).stdout(Stdio::from(out)).stderr(Stdio::from(progress)).spawn().unwrap();
        self.child = Some(child);
        eventually(START_LIMIT, "the address and the sign-in", async || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the demo ended with {status}:\n{}", self.progress());
            }
            let out = fs::read_to_string(self.home.path().join("out")).unwrap();
            let lines: Vec<&str> = out.lines().collect();
            let [address, user, password] = lines[..] else { return None };
            assert_eq!(user, "user admin");
            let password = password.strip_prefix("password ").filter(|_| out.ends_with('\n'))?;
            Some(Said { address: address.to_owned(), password: password.to_owned() })
        })
        .await
    }

    pub(crate) fn progress(&self) -> String {
        fs::read_to_string(self.home.path().join("progress")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.as_ref().unwrap().id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().unwrap();
        let status = eventually(STOP_LIMIT, "the demo's end", async || child.try_wait().unwrap()).await;
        self.child = None;
        status
    }

    /// What a Ctrl-C does; nothing may be left.
    pub(crate) async fn interrupt(&mut self) {
        self.signal(Signal::SIGINT);
        assert!(self.ended().await.success(), "{}", self.progress());
        assert_eq!(processes_in(&self.data_dir()), Vec::<String>::new());
    }

    /// A session on the primary.
    async fn primary(&self, database: &str) -> tokio_postgres::Client {
        self.session("primary", database).await
    }

    /// A session on one of the clusters.
    async fn session(&self, cluster: &str, database: &str) -> tokio_postgres::Client {
        let lock = fs::read_to_string(self.data_dir().join(cluster).join("postmaster.pid")).unwrap();
        let lines: Vec<&str> = lock.lines().collect();
        let dsn = format!("host={} port={} user=postgres dbname={database}", lines[4], lines[3]);
        testkit::connect(&dsn).await.unwrap()
    }

    async fn system_identifier(&self) -> i64 {
        let client = self.primary("postgres").await;
        client.query_one("select system_identifier from pg_control_system()", &[]).await.unwrap().get(0)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT);
            let _ = child.wait();
        }
        // Their sockets' directories lie elsewhere; a test that failed may have left the clusters running, too.
        for place in ["standby", "primary", "server/postgresql"] {
            if let Ok(mut cluster) = Cluster::open(ClusterOptions::new(self.data_dir().join(place))) {
                let _ = cluster.remove();
            }
        }
    }
}

/// What a start prints.
pub(crate) struct Said {
    pub(crate) address: String,
    pub(crate) password: String,
}

impl Said {
    async fn get(&self, path: &str) -> Value {
        let client = reqwest::Client::new();
        let login = client
            .post(format!("{}api/v1/auth/login", self.address))
            .header("content-type", "application/json")
            .body(serde_json::json!({ "username": "admin", "password": self.password }).to_string());
        let login: Value = login.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        let token = login["access_token"].as_str().unwrap();
        let answer = client.get(format!("{}api/v1/{path}", self.address)).bearer_auth(token).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }
}

/// Waits for a condition.
async fn eventually<T>(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

/// The command lines of processes that name a directory.
fn processes_in(directory: &Path) -> Vec<String> {
    let wanted = directory.to_string_lossy().into_owned();
    let lines =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(&wanted)).collect()
}

#[tokio::test]
async fn the_demo_shows_its_work_stops_whole_and_goes_on() {
    let mut demo = Demo::prepare();
    let said = demo.start(&[]).await;
    let health: Value = reqwest::get(format!("{}api/v1/health", said.address)).await.unwrap().json().await.unwrap();
    assert_eq!(health["status"], "healthy", "{health}");

    let second = demo.command(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let refusal = String::from_utf8(second.stderr).unwrap();
    assert!(refusal.contains("another demo (process"), "{refusal}");
    let fresh = demo.command(&["--fresh"]).output().unwrap();
    assert_eq!(fresh.status.code(), Some(1), "starting over must not take a live demo's data away");

    let primary = demo.primary("postgres").await;
    for (kind, condition) in WORK {
        let sql = format!(
            "select count(*) from (
                 select s.*, r.rolname, regexp_replace(s.query, '\\s+', ' ', 'g') as statement,
                        count(*) over (partition by left(s.query, 12)) as of_its_kind
                 from pg_stat_statements s join pg_roles r on r.oid = s.userid
             ) s where {condition}"
        );
        eventually(WORK_LIMIT, kind, async || {
            let count: i64 = primary.query_one(&sql, &[]).await.unwrap().get(0);
            (count > 0).then_some(())
        })
        .await;
    }
    for (kind, condition) in [
        ("somebody waits for a lock", "wait_event_type = 'Lock' and application_name = 'shop-flash-sale'"),
        ("a transaction left open", "state = 'idle in transaction' and application_name = 'spreadsheet'"),
    ] {
        let sql = format!("select count(*) from pg_stat_activity where {condition}");
        eventually(WORK_LIMIT, kind, async || {
            let count: i64 = primary.query_one(&sql, &[]).await.unwrap().get(0);
            (count > 0).then_some(())
        })
        .await;
    }
    eventually(WORK_LIMIT, "statements of the primary in the store", async || {
        let health = said.get("metrics/health").await;
        let instances = health["data"][0]["instances"].as_array()?;
        let instance = instances.iter().find(|instance| instance["name"] == "demo-primary")?;
        let statements = instance["sets"].as_array()?.iter().find(|set| set["set"] == "pg_stat_statements")?;
        (statements["rows"].as_i64()? > 0).then_some(())
    })
    .await;

    let standby = demo.session("standby", "postgres").await;
    eventually(WORK_LIMIT, "the standby does not replay for a while", async || {
        let paused: bool = standby.query_one("select pg_is_wal_replay_paused()", &[]).await.unwrap().get(0);
        paused.then_some(())
    })
    .await;
    let follower = eventually(WORK_LIMIT, "the standby lags by its own account", async || {
        let fleet = said.get("instances").await;
        let one = fleet["data"].as_array()?.iter().find(|one| one["name"] == "demo-standby")?.clone();
        (one["replay_lag_ms"].as_f64()? > 1_000.0 && one["replay_lag_bytes"].as_i64()? > 0).then_some(one)
    })
    .await;
    assert_eq!(follower["role"], "standby");
    let primary_id = eventually(WORK_LIMIT, "the two are known as one cluster", async || {
        let view = said.get(&format!("instances/{}/replication", follower["id"])).await;
        let upstream = view["receiver"]["upstream"].clone();
        (upstream["name"] == "demo-primary").then(|| upstream["id"].clone())
    })
    .await;
    let view = said.get(&format!("instances/{primary_id}/replication")).await;
    assert_eq!(view["standbys"][0]["instance"]["name"], "demo-standby", "{view}");

    let identifier = demo.system_identifier().await;
    demo.interrupt().await;
    let again = demo.start(&[]).await;
    let followed = demo.session("standby", "postgres").await;
    let streams = "select exists (select from pg_stat_wal_receiver where status = 'streaming')";
    eventually(WORK_LIMIT, "the standby follows again", async || {
        followed.query_one(streams, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    assert_eq!(again.password, said.password);
    assert_eq!(demo.system_identifier().await, identifier);
    let known = again.get("metrics/health").await;
    let names = known["data"][0]["instances"].as_array().unwrap().iter().map(|one| one["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["demo-primary", "demo-standby"], "the store goes on: {known}");
    demo.interrupt().await;
}

#[tokio::test]
async fn a_demo_whose_terminal_is_gone_leaves_nothing_running() {
    let mut demo = Demo::prepare();
    demo.start(&[]).await;
    demo.signal(Signal::SIGHUP);
    assert!(demo.ended().await.success(), "{}", demo.progress());
    assert!(demo.progress().contains("stopping …"), "{}", demo.progress());
    assert_eq!(processes_in(&demo.data_dir()), Vec::<String>::new());
}

/// A server with its private PostgreSQL in the demo's place, and the end of its log.
fn serve(demo: &mut Demo, program: &str, arguments: &[&str]) -> ChildStderr {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    command.env("DATA_DIR", demo.data_dir()).env("PORT", "0").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = demo.child.insert(command.spawn().unwrap());
    let (out, log) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut address = String::new();
    BufReader::new(out).read_line(&mut address).unwrap();
    assert!(address.starts_with("http://"), "{address}");
    log
}

#[tokio::test]
async fn a_server_whose_terminal_is_gone_stops_its_postgresql() {
    let mut demo = Demo::prepare();
    let log = serve(&mut demo, env!("CARGO_BIN_EXE_pganalytics"), &["server"]);
    assert!(!processes_in(&demo.data_dir()).is_empty());
    // Nor can anything be written where its log went.
    drop(log);
    demo.signal(Signal::SIGHUP);
    assert!(demo.ended().await.success());
    assert_eq!(processes_in(&demo.data_dir()), Vec::<String>::new());

    let nohup = ["-c", r#"trap '' HUP; exec "$0" server"#, env!("CARGO_BIN_EXE_pganalytics")];
    let _log = serve(&mut demo, "sh", &nohup);
    let status = fs::read_to_string(format!("/proc/{}/status", demo.child.as_ref().unwrap().id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_eq!(u64::from_str_radix(ignored.trim(), 16).unwrap() & 1, 1, "it outlives its terminal");
    demo.signal(Signal::SIGTERM);
    assert!(demo.ended().await.success());
    assert_eq!(processes_in(&demo.data_dir()), Vec::<String>::new());
}

#[tokio::test]
async fn a_killed_demo_is_taken_over_and_fresh_starts_over() {
    let mut demo = Demo::prepare();
    let first = demo.start(&[]).await;
    let identifier = demo.system_identifier().await;
    demo.signal(Signal::SIGKILL);
    demo.ended().await;
    assert!(!processes_in(&demo.data_dir()).is_empty(), "its clusters outlive a killed demo");

    let second = demo.start(&[]).await;
    assert_eq!(second.password, first.password);
    assert!(demo.progress().contains("left its PostgreSQL running"), "{}", demo.progress());
    assert_eq!(demo.system_identifier().await, identifier);
    demo.signal(Signal::SIGKILL);
    demo.ended().await;

    let third = demo.start(&["--fresh"]).await;
    assert_ne!(third.password, first.password);
    assert_ne!(demo.system_identifier().await, identifier);
    demo.interrupt().await;
}

#[tokio::test]
async fn a_directory_of_something_else_is_left_alone() {
    let demo = Demo::prepare();
    fs::create_dir(demo.data_dir()).unwrap();
    fs::write(demo.data_dir().join("letters"), "dear").unwrap();
    let refused = demo.command(&["--fresh"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("no demo made it"));
    assert_eq!(fs::read_to_string(demo.data_dir().join("letters")).unwrap(), "dear");
}
