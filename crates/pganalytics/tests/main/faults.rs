//! Whatever goes wrong while collectors deliver, each row is stored once, and buckets say what the rows say.
//!
//! ```text
//! pganalytics load ─► proxy ─► one of two servers ─► a store of its own
//! ```
//! Faults come at random moments for `FAULTS_SECONDS` (8 where nobody says it); `make test-long` takes longer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use catalog::{Catalog, Definition, Kind, SetKind, Type};
use serde_json::Value;
use testkit::{Fault, Mode, Pg, PgOptions, Proxy};
use tokio_postgres::Client;

use crate::world::{self, SECRET, free_port};

/// How long a condition may take to come true; no proof of speed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// For how long there are faults.
fn faults_last() -> Duration {
    let seconds = std::env::var("FAULTS_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or(8))
}

async fn pause(from_ms: u64, to_ms: u64) {
    tokio::time::sleep(Duration::from_millis(rand::random_range(from_ms..to_ms))).await;
}

/// A server that is killed when dropped.
struct Server {
    port: u16,
    data_dir: PathBuf,
    process: Option<Child>,
}

impl Server {
    fn start(&mut self, dsn: &str) {
        let mut server = world::server(dsn, &self.data_dir, self.port);
        server.env("JWT_SECRET", "what-all-servers-of-one-store-sign-with").env("MAX_DATABASE_CONNS", "12");
        self.process = Some(server.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that has ended by itself is only waited for.
            let _ = process.kill();
            process.wait().unwrap();
        }
    }

    fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    async fn is_well(&self) -> bool {
        let answer = reqwest::get(format!("http://{}/api/v1/health", self.address())).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Everything that something can happen to.
struct Stage {
    directory: tempfile::TempDir,
    store: Pg,
    database: &'static str,
    servers: [Server; 2],
    proxy: Proxy,
}

impl Stage {
    async fn start() -> Self {
        let options = PgOptions { pg_stat_statements: false, ..PgOptions::default() };
        Self::over(Pg::start(options.setting("max_connections", "60")).await.unwrap(), "postgres").await
    }

    async fn over(store: Pg, database: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let servers = ["one", "two"].map(|name| Server {
            port: free_port(),
            data_dir: directory.path().join(name),
            process: None,
        });
        let proxy = Proxy::start(servers[0].address()).await.unwrap();
        let mut stage = Self { directory, store, database, servers, proxy };
        // Both prepare the store at once.
        let dsn = stage.store.dsn(database);
        stage.servers.iter_mut().for_each(|server| server.start(&dsn));
        stage.until_well().await;
        stage
    }

    async fn until_well(&self) {
        for server in &self.servers {
            self.until("the servers are well", async || server.is_well().await).await;
        }
    }

    async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let began = Instant::now();
        while !condition().await {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}\n{}\n{}", self.said(), self.logs());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn logs(&self) -> String {
        let tail = |server: &Server| {
            let log = std::fs::read_to_string(server.data_dir.with_extension("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(20).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        self.servers.iter().map(tail).collect::<Vec<_>>().join("\n--\n")
    }

    /// What the load says.
    fn said(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        format!("{}{}", read("report.json"), read("load.log"))
    }

    async fn client(&self) -> Client {
        self.store.connect(self.database).await.unwrap()
    }

    /// Has buckets made now, if the store can be asked for it.
    async fn roll_up(&self) {
        if let Ok(client) = self.store.connect(self.database).await {
            let _ = client.execute("update metrics.jobs set next_at = now() where name = 'roll_up'", &[]).await;
        }
    }

    /// Kills a server and starts it again; who calls meanwhile is led to the other.
    fn kill_a_server(&mut self) {
        let (place, dsn) = (rand::random_range(0..2), self.store.dsn(self.database));
        self.servers[place].kill();
        self.proxy.lead_to(self.servers[1 - place].address());
        self.servers[place].start(&dsn);
    }

    /// Collectors with a backlog, whose clocks are off, who restart and repeat themselves.
    fn load(&self) -> Child {
        let seconds = format!("{}s", faults_last().as_secs());
        Command::new(env!("CARGO_BIN_EXE_pganalytics"))
            .arg("load")
            .args(["--url", &format!("http://{}", self.proxy.address()), "--registration-secret", SECRET, "--json"])
            .args(["--store-url", &self.store.dsn(self.database), "--collectors", "4", "--statements", "30"])
            .args(["--interval", "2s", "--backlog", "40m", "--batches-per-request", "16", "--grace", "240s"])
            .args(["--duration", &seconds, "--duplicates", "0.2", "--out-of-order", "0.2", "--restarts", "1"])
            .args(["--clock-drift", "10m"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(self.directory.path().join("report.json")).unwrap())
            .stderr(std::fs::File::create(self.directory.path().join("load.log")).unwrap())
            .spawn()
            .unwrap()
    }

    /// Faults at random moments, each of which passes, while collectors deliver; then everything must be there.
    async fn bears(&mut self, mut fault: impl AsyncFnMut(&mut Self)) {
        let mut load = self.load();
        let client = self.client().await;
        self.until("rows arrive", async || {
            assert!(load.try_wait().unwrap().is_none(), "the load has ended: {}", self.said());
            count(&client, "metrics.wal").await > 0
        })
        .await;
        drop(client);
        let began = Instant::now();
        let mut faults = 0;
        while began.elapsed() < faults_last() {
            pause(50, 700).await;
            self.roll_up().await;
            fault(self).await;
            faults += 1;
        }
        assert!(faults > 0);
        self.until_well().await;
        let status = tokio::task::spawn_blocking(move || load.wait().unwrap()).await.unwrap();
        let said = self.said();
        assert_eq!(status.code(), Some(0), "{said}\n{}", self.logs());
        let report = std::fs::read_to_string(self.directory.path().join("report.json")).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        let rows = report["rows_sent"].as_i64().unwrap();
        assert!(rows > 4 * 1200 * 30, "{said}");
        assert_eq!([&report["rows_acknowledged"], &report["rows_stored"]], [&rows; 2], "{said}");
        assert_eq!(report["comparison"]["undecided_collectors"], 0, "{said}");
        self.buckets_say_what_rows_say().await;
    }

    async fn buckets_say_what_rows_say(&self) {
        let client = self.client().await;
        let due = "metrics.due where tier = 1 and first <= now() - interval '31 seconds'";
        self.until("all buckets are made", async || {
            self.roll_up().await;
            count(&client, due).await == 0
        })
        .await;
        let catalog = Catalog::embedded().unwrap();
        let sets = catalog.sets().map(|set| &set.definition).filter(|set| set.kind() == SetKind::Figures);
        let mut compared = 0;
        for definition in sets {
            let row = client.query_one(&comparison(definition), &[]).await.unwrap();
            let (buckets, different): (i64, i64) = (row.get(0), row.get(1));
            assert_eq!(different, 0, "of {buckets} buckets of {}", definition.name);
            compared += buckets;
        }
        assert!(compared > 4 * 7 * 4, "{compared} buckets were compared");
    }
}

async fn count(client: &Client, what: &str) -> i64 {
    client.query_one(&format!("select count(*) from {what}"), &[]).await.unwrap().get(0)
}

/// Buckets of 5 minutes and instance, and how many of them have other sums than the rows do. What is read every
/// few seconds is divided nowhere.
fn comparison(definition: &Definition) -> String {
    let is_sum = |kind: Kind| matches!(kind, Kind::Counter | Kind::Count);
    let whole = definition.columns.iter().filter(|one| is_sum(one.kind) && one.column_type != Type::Float8);
    let sums: Vec<String> = whole.map(|one| format!("coalesce(sum(\"{}\"), 0)::numeric", one.name)).collect();
    let sums = format!("array[0::numeric, {}]", sums.join(", ")).replace(", ]", "]");
    let name = &definition.name;
    format!(
        "with raw as (
             select instance_id, to_timestamp(ceil(extract(epoch from time) / 300) * 300) as time, {sums} as sums
             from metrics.\"{name}\" group by 1, 2),
         buckets as (select instance_id, time, {sums} as sums from metrics.\"{name}_5m\" group by 1, 2)
         select count(*), count(*) filter (where raw.sums is distinct from buckets.sums)
         from raw full join buckets using (instance_id, time)
         where time <= now() - interval '31 seconds'"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_killed_at_random_moments() {
    let mut stage = Stage::start().await;
    stage.bears(async |stage| stage.kill_a_server()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_crashes_at_random_moments() {
    let mut stage = Stage::start().await;
    let crash = async |stage: &mut Stage| {
        if rand::random() {
            stage.store.crash_backend().await.unwrap();
        } else {
            stage.store.stop_immediate().await.unwrap();
            pause(0, 500).await;
            stage.store.start_again().await.unwrap();
        }
    };
    stage.bears(crash).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_restarts_is_read_only_or_out_of_connections() {
    let mut stage = Stage::start().await;
    let fault = async |stage: &mut Stage| match rand::random_range(0..3) {
        0 => stage.store.restart(Mode::Fast).await.unwrap(),
        1 => {
            for read_only in ["on", "off"] {
                stage.store.set("default_transaction_read_only", read_only).unwrap();
                stage.store.reload().unwrap();
                pause(100, 600).await;
            }
        }
        _ => {
            let mut held = Vec::new();
            while let Ok(client) = stage.store.connect("template1").await {
                held.push(client);
            }
            // Who is connected still works: only new connections are refused.
            let terminated = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres'";
            if let Some(client) = held.first() {
                client.execute(terminated, &[]).await.unwrap();
            }
            while let Ok(client) = stage.store.connect("template1").await {
                held.push(client);
            }
            pause(100, 600).await;
        }
    };
    stage.bears(fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_200_ms_to_commit() {
    let mut stage = Stage::start().await;
    let slow = "create function metrics.slow() returns trigger language plpgsql as $$
            begin
                if current_setting('faults.slept', true) is distinct from txid_current()::text then
                    perform set_config('faults.slept', txid_current()::text, true), pg_sleep(0.2);
                end if;
                return null;
            end $$;
        create constraint trigger slow after insert or update on metrics.ledger
            deferrable initially deferred for each row execute function metrics.slow()";
    stage.client().await.simple_query(slow).await.unwrap();
    stage.bears(async |stage| stage.kill_a_server()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_cuts_swallows_and_changes_its_mind() {
    let mut stage = Stage::start().await;
    let fault = async |stage: &mut Stage| {
        let cut = rand::random_range(0..400);
        let faults = [Fault::Refuse, Fault::CutResponseAfter(0), Fault::CutResponseAfter(cut), Fault::BlackHole];
        stage.proxy.set(faults[rand::random_range(0..faults.len())]);
        pause(50, 800).await;
        stage.proxy.lead_to(stage.servers[rand::random_range(0..2)].address());
        stage.proxy.set(Fault::Pass);
    };
    stage.bears(fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_missing_and_views_that_are_made_anew() {
    let mut stage = Stage::start().await;
    let client = stage.client().await;
    let partitions = "select c.oid::regclass::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where c.relnamespace = 'metrics'::regnamespace and c.relkind = 'r'";
    for row in client.query(partitions, &[]).await.unwrap() {
        client.simple_query(&format!("drop table {}", row.get::<_, &str>(0))).await.unwrap();
    }
    let fault = async |stage: &mut Stage| {
        stage.client().await.execute("update metrics.derived set hash = ''", &[]).await.unwrap();
        stage.kill_a_server();
        stage.until_well().await;
    };
    stage.bears(fault).await;
}

/// A file system of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount any.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output();
        mount.is_ok_and(|mount| mount.status.success()).then(|| Self(at.to_owned()))
    }

    fn fill(&self) {
        // It ends with the error that is wanted.
        let _ = std::fs::write(self.0.join("filled"), vec![1; 512 << 20]);
    }

    fn make_room(&self) {
        let _ = std::fs::remove_file(self.0.join("filled"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_disk_is_full() {
    let place = tempfile::tempdir().unwrap();
    // A cluster's account passes through.
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let Some(disk) = SmallDisk::mount(&place.path().join("disk"), "512m") else {
        eprintln!("skipped: a small disk cannot be mounted here, as only root may");
        return;
    };
    let tables = disk.0.join("tables");
    std::fs::create_dir(&tables).unwrap();
    let options = PgOptions { pg_stat_statements: false, ..PgOptions::default() };
    let store = Pg::start(options).await.unwrap();
    store.with(|cluster| cluster.account().give(&tables)).unwrap();
    let admin = store.connect("postgres").await.unwrap();
    admin.simple_query(&format!("create tablespace small location '{}'", tables.display())).await.unwrap();
    admin.simple_query("create database kept tablespace small").await.unwrap();
    let mut stage = Stage::over(store, "kept").await;
    let fault = async |_: &mut Stage| {
        disk.fill();
        pause(500, 2000).await;
        disk.make_room();
    };
    stage.bears(fault).await;
    assert!(stage.store.log().unwrap().contains("No space left on device"), "the disk was never full");
}
