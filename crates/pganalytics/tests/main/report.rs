//! `pganalytics report` over real clusters with faults that were made on purpose.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};

use cluster::Mode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use testkit::{Pg, PgOptions, replication_pair};
use tokio_postgres::Client;

fn command(dsn: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pganalytics"));
    command.arg("report").arg(dsn).args(arguments).env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    command
}

fn report(dsn: &str, arguments: &[&str]) -> Output {
    command(dsn, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

fn as_role(pg: &Pg, role: &str) -> String {
    pg.dsn("postgres").replace("user=postgres", &format!("user={role}"))
}

async fn run(client: &Client, statements: &[&str]) {
    for statement in statements {
        client.simple_query(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

fn found<'a>(report: &'a Value, id: &str) -> Vec<&'a Value> {
    report["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id).collect()
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

/// The SQL that mends a finding.
fn fixes(finding: &Value) -> Vec<String> {
    let of = |value: &Value| value["fix"].as_str().map(str::to_owned);
    finding["evidence"].as_array().unwrap().iter().filter_map(of).collect()
}

#[tokio::test]
async fn what_is_wrong_is_found_and_its_fix_mends_it() {
    let pg = Pg::start(PgOptions::default().setting("autovacuum_naptime", "1h")).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(
        &admin,
        &[
            "create role monitor login in role pg_monitor",
            "create role boss superuser login",
            "create database \"<b>shop\"\"\n\"",
        ],
    )
    .await;
    let shop = pg.connect("<b>shop\"\n").await.unwrap();
    run(
        &shop,
        &[
            "create table \"select\" (id int primary key, v int)",
            "create index one on \"select\" (v)",
            "create index \"two\n\" on \"select\" (v)",
            "create table \"<script>\" (id serial, parent int references \"select\", t text) with (autovacuum_enabled = off)",
            "insert into \"select\" select g, 1 from generate_series(1, 20000) g",
            "insert into \"<script>\" (parent, t) select g, 'x' from generate_series(1, 20000) g",
            "select setval('\"<script>_id_seq\"', 2147483640)",
            "grant select on all sequences in schema public to monitor",
            "alter system set max_connections = 99",
            "analyze",
            "create table never as select * from generate_series(1, 20000)",
            "update \"select\" set v = 2",
        ],
    )
    .await;
    assert!(shop.simple_query("create unique index concurrently broken on \"select\" (v)").await.is_err());
    run(&admin, &["select pg_reload_conf()"]).await;
    // A session tells its statistics when it ends, at the latest.
    drop(shop);
    let shop = pg.connect("<b>shop\"\n").await.unwrap();
    let told = "select bool_and(case relname when 'never' then n_live_tup >= 20000 else n_dead_tup >= 20000 end)
        from pg_stat_all_tables where relname in ('never', 'select')";
    while !shop.query_one(told, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    // Somebody holds a lock that another waits for; the report waits for nobody.
    let (holder, waiter) = (pg.connect("<b>shop\"\n").await.unwrap(), pg.connect("<b>shop\"\n").await.unwrap());
    run(&holder, &["begin", "lock table \"select\""]).await;
    let waiting = tokio::spawn(async move { waiter.simple_query("select count(*) from \"select\"").await.map(drop) });
    let dsn = as_role(&pg, "monitor");
    let blocked = "select count(*) from pg_locks where not granted";
    while admin.query_one(blocked, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    let arguments = ["--wait", "1s", "--format", "json"];
    let output = report(&dsn, &arguments);
    let first = json(&output);
    assert_eq!(output.status.code(), Some(3), "{first:#}");
    assert_eq!((&first["format"], &first["instance"]["role"]), (&Value::from(1), &Value::from("primary")));
    assert!(first["readings"]["seconds"].as_f64().unwrap() >= 1.0);
    for id in [
        "blocked",
        "pending-restart",
        "sequences",
        "foreign-keys-without-index",
        "duplicate-indexes",
        "invalid-indexes",
        "autovacuum-off-for-table",
        "autovacuum-behind",
        "never-analyzed",
        "dangerous-rights",
        "durability",
    ] {
        let all = found(&first, id);
        assert!(!all.is_empty(), "{id} is missing: {:?}", ids(&first));
        assert!(all.iter().all(|finding| !finding["evidence"].as_array().unwrap().is_empty()), "{id}");
    }
    let root = &found(&first, "blocked")[0]["evidence"][0];
    let pid = holder.query_one("select pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0);
    assert_eq!(root["of"], format!("session {pid}"));
    // The root's end is the first fix; the others are run as they stand.
    run(&admin, &[&fixes(found(&first, "blocked")[0])[0]]).await;
    waiting.await.unwrap().unwrap();
    for id in [
        "invalid-indexes",
        "foreign-keys-without-index",
        "autovacuum-off-for-table",
        "autovacuum-behind",
        "never-analyzed",
        "sequences",
    ] {
        for fix in found(&first, id).into_iter().flat_map(fixes) {
            run(&shop, &[&fix]).await;
        }
    }
    for fix in found(&first, "duplicate-indexes").into_iter().flat_map(fixes) {
        run(&shop, &[&fix]).await;
    }
    let second = json(&report(&dsn, &arguments));
    let left = ids(&second);
    for id in [
        "blocked",
        "invalid-indexes",
        "foreign-keys-without-index",
        "duplicate-indexes",
        "autovacuum-off-for-table",
        "autovacuum-behind",
        "never-analyzed",
        "sequences",
    ] {
        assert!(!left.contains(&id), "{id} stays: {:#?}", found(&second, id));
    }
    assert!(second["statements"]["since_reset"].as_array().unwrap().iter().any(|one| one["text"].is_string()));
    // Into a file it is the same, whatever stood there.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "x".repeat(1_000_000)).unwrap();
    let output = report(&dsn, &["--wait", "0", "--format", "json", "--output", file.path().to_str().unwrap()]);
    assert!(output.stdout.is_empty());
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
    assert_eq!(written["instance"]["read_as"], "monitor");
    // The same in the other formats.
    for (format, beginning) in [("text", "PostgreSQL "), ("markdown", "# PostgreSQL "), ("html", "<!doctype html>")] {
        let output = report(&dsn, &["--wait", "0", "--format", format]);
        let said = text(&output.stdout);
        assert!(said.starts_with(beginning) && !said.contains('\u{1b}'), "{said}");
        assert!(!said.contains("<script>") || format != "html", "{said}");
    }
}

#[tokio::test]
async fn a_role_without_rights_is_told_the_grant() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(
        &admin,
        &["create role \"user\" login", "create database closed", "revoke connect on database closed from public"],
    )
    .await;
    let latin = "create database latin encoding 'LATIN1' locale 'C' template template0";
    run(&admin, &[latin, "create database raw encoding 'SQL_ASCII' locale 'C' template template0"]).await;
    let dsn = as_role(&pg, "user");
    let first = json(&report(&dsn, &["--wait", "0", "--format", "json"]));
    let grant =
        found(&first, "missing-rights").into_iter().flat_map(fixes).find(|fix| fix.contains("pg_monitor")).unwrap();
    let not_judged =
        |report: &Value, id: &str| report["not_judged"].as_array().unwrap().iter().any(|one| one["id"] == id);
    assert!(
        not_judged(&first, "blocked") && not_judged(&first, "idle-in-transaction") && not_judged(&first, "deadlocks")
    );
    let read = |report: &Value, name: &str| {
        report["databases"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["read"]
            .as_bool()
            .unwrap()
    };
    assert_eq!(["latin", "raw", "postgres", "closed"].map(|name| read(&first, name)), [true, true, true, false]);
    run(&admin, &[&grant]).await;
    let second = json(&report(&dsn, &["--wait", "0", "--format", "json", "--database", "post*"]));
    assert!(!not_judged(&second, "blocked") && not_judged(&second, "deadlocks"));
    assert!(!found(&second, "missing-rights").into_iter().flat_map(fixes).any(|fix| fix.contains("pg_monitor")));
    assert_eq!(["latin", "postgres"].map(|name| read(&second, name)), [false, true]);
    let reason = |report: &Value, name: &str| {
        let databases = report["databases"].as_array().unwrap();
        databases.iter().find(|one| one["name"] == name).unwrap()["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason(&first, "closed").ends_with("grant connect on database closed to \"user\";"), "{first:#}");
    assert_eq!(reason(&second, "latin"), "left out by what was asked for");
}

#[tokio::test]
async fn statistics_of_statements_that_are_created_and_not_loaded_are_told_with_what_loads_them() {
    let options = PgOptions { pg_stat_statements: false, ..PgOptions::default() };
    let pg = Pg::start(options.setting("shared_preload_libraries", "auto_explain")).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, &["create extension pg_stat_statements"]).await;
    let arguments = ["--wait", "0", "--format", "json"];
    let first = json(&report(&pg.dsn("postgres"), &arguments));
    let finding = found(&first, "no-statement-figures")[0];
    let because = finding["evidence"][0]["figures"][0]["value"].as_str().unwrap();
    assert!(because.starts_with("pg_stat_statements is created in the database postgres and not loaded"), "{because}");
    assert!(found(&first, "not-read").is_empty(), "{first:#}");
    run(&admin, &[&fixes(finding)[0]]).await;
    drop(admin);
    pg.restart(Mode::Fast).await.unwrap();
    let second = json(&report(&pg.dsn("postgres"), &arguments));
    assert!(found(&second, "no-statement-figures").is_empty(), "{second:#}");
    let admin = pg.connect("postgres").await.unwrap();
    let loaded: String = admin.query_one("show shared_preload_libraries", &[]).await.unwrap().get(0);
    assert_eq!(loaded, "auto_explain, pg_stat_statements");
}

#[tokio::test]
async fn indexes_of_partitions_are_told_with_that_of_their_table() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(
        &admin,
        &[
            "create table p (a int) partition by range (a)",
            "create table p1 partition of p for values from (0) to (10)",
            "create table p2 partition of p for values from (10) to (20)",
            "create index one on p (a)",
            "create index two on p (a)",
            "create index three on only p (a)",
            "create index three_1 on p1 (a)",
            "alter index three attach partition three_1",
        ],
    )
    .await;
    let arguments = ["--wait", "0", "--format", "json"];
    let of = |report: &Value, id: &str| -> Vec<String> {
        let evidence = found(report, id).into_iter().flat_map(|finding| finding["evidence"].as_array().unwrap());
        evidence.map(|one| one["of"].as_str().unwrap().to_owned()).collect()
    };
    let first = json(&report(&pg.dsn("postgres"), &arguments));
    assert_eq!(of(&first, "duplicate-indexes"), ["public.two"], "{first:#}");
    assert_eq!(of(&first, "invalid-indexes"), ["public.three"], "{first:#}");
    run(&admin, &["create index three_2 on p2 (a)", "alter index three attach partition three_2"]).await;
    for fix in found(&first, "duplicate-indexes").into_iter().flat_map(fixes) {
        run(&admin, &[&fix]).await;
    }
    let second = json(&report(&pg.dsn("postgres"), &arguments));
    assert_eq!(of(&second, "duplicate-indexes"), ["public.three"], "{second:#}");
    assert!(of(&second, "invalid-indexes").is_empty());
}

/// A report that waits for its second reading.
struct Waiting(Child, BufReader<std::process::ChildStderr>);

impl Waiting {
    fn start(dsn: &str) -> Self {
        let mut command = command(dsn, &["--wait", "10m", "--format", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut waiting = Self(child, stderr);
        waiting.until("waiting");
        waiting
    }

    /// Reads progress until a line has a word.
    fn until(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended before it said {word}");
        }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    /// Its exit code and what it printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_the_readings_is_told() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let waiting = Waiting::start(&pg.dsn("postgres"));
    pg.restart(Mode::Fast).await.unwrap();
    waiting.interrupt();
    let (code, said) = waiting.end();
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(3));
    assert!(report["readings"]["notes"][0].as_str().unwrap().contains("restarted between the readings"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_first_is_reported_when_the_server_is_gone() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let waiting = Waiting::start(&pg.dsn("postgres"));
    pg.stop(Mode::Fast).await.unwrap();
    waiting.interrupt();
    let (code, said) = waiting.end();
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(3));
    assert!(report["readings"]["notes"][0].as_str().unwrap().starts_with("The second reading failed"), "{report:#}");
    assert!(report["readings"]["seconds"].is_null() && !found(&report, "durability").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_reads_at_once_and_another_one_ends_it() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let waiting = Waiting::start(&pg.dsn("postgres"));
    waiting.interrupt();
    let (code, said) = waiting.end();
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, report["readings"]["seconds"].is_f64()), (Some(3), true));
    // The lock on a catalog holds up the second reading.
    let mut waiting = Waiting::start(&pg.dsn("postgres"));
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, &["begin", "lock table pg_database in access exclusive mode"]).await;
    waiting.interrupt();
    waiting.until("at once");
    waiting.interrupt();
    assert_eq!(waiting.end(), (Some(130), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_between_the_readings_is_counted() {
    let options = PgOptions::default().setting("deadlock_timeout", "10ms").setting("archive_mode", "on");
    let pg = Pg::start(options.setting("archive_command", "false")).await.unwrap();
    let (admin, one, other) = (
        pg.connect("postgres").await.unwrap(),
        pg.connect("postgres").await.unwrap(),
        pg.connect("postgres").await.unwrap(),
    );
    run(
        &admin,
        &[
            "create table t as select 1 as a union select 2",
            "select pg_create_physical_replication_slot('nobody', true)",
        ],
    )
    .await;
    let waiting = Waiting::start(&pg.dsn("postgres"));
    run(&one, &["begin", "update t set a = a where a = 1"]).await;
    run(&other, &["begin", "update t set a = a where a = 2"]).await;
    let (first, second) = tokio::join!(
        one.simple_query("update t set a = a where a = 2"),
        other.simple_query("update t set a = a where a = 1")
    );
    assert!(first.is_err() || second.is_err(), "one of them is the victim");
    // Statistics of a session are told when it is idle for a while, or ends.
    drop((one, other));
    run(&admin, &["select pg_switch_wal()"]).await;
    let told = "select (select failed_count from pg_stat_archiver) > 0 and
        (select deadlocks from pg_stat_database where datname = 'postgres') > 0";
    while !admin.query_one(told, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    waiting.interrupt();
    let report: Value = serde_json::from_str(&waiting.end().1).unwrap();
    assert_eq!(found(&report, "deadlocks")[0]["severity"], "warning", "{report:#}");
    assert_eq!(found(&report, "archiver")[0]["severity"], "warning", "{report:#}");
    assert_eq!(
        fixes(found(&report, "replication-slots")[0])[0],
        "select pg_drop_replication_slot('nobody'); -- only if nothing is to stream through it any more"
    );
}

#[tokio::test]
async fn a_standby_says_what_only_its_primary_knows() {
    let pair = replication_pair(PgOptions::default()).await.unwrap();
    let admin = pair.primary.connect("postgres").await.unwrap();
    run(
        &admin,
        &[
            "create role monitor login in role pg_monitor",
            "create table t (a int)",
            "create index on t (a)",
            "create index on t (a)",
        ],
    )
    .await;
    let position: String = admin.query_one("select pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let standby = pair.standby.connect("postgres").await.unwrap();
    let replayed = format!("select pg_last_wal_replay_lsn() >= '{position}'");
    while !standby.query_one(&replayed, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    let output = report(&as_role(&pair.standby, "monitor"), &["--wait", "1", "--format", "json"]);
    let report = json(&output);
    assert_eq!(report["instance"]["role"], "standby");
    let why = |id: &str| {
        let not_judged = report["not_judged"].as_array().unwrap();
        not_judged.iter().find(|one| one["id"] == id).unwrap()["reason"].as_str().unwrap().to_owned()
    };
    assert!(why("unused-indexes").contains("standby") && why("autovacuum-behind").contains("standby"));
    assert!(found(&report, "not-read").is_empty() && found(&report, "replay").is_empty(), "{report:#}");
    assert_eq!(found(&report, "duplicate-indexes").len(), 1);
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let down = format!("host={} user=x dbname=y", directory.path().display());
    let output = report(&down, &["--wait", "0"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("does not exist"), "{}", text(&output.stderr));
    for (dsn, arguments) in
        [("nonsense=1", &[][..]), (down.as_str(), &["--wait", "soon"]), (down.as_str(), &["--format", "pdf"])]
    {
        assert_eq!(report(dsn, arguments).status.code(), Some(2), "{dsn} {arguments:?}");
    }
    // Yesterday's report stays where there is none today.
    let before = directory.path().join("report.txt");
    std::fs::write(&before, "yesterday").unwrap();
    assert_eq!(report(&down, &["--wait", "0", "-o", before.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&before).unwrap(), "yesterday");
    let missing = directory.path().join("missing/report.txt");
    let output = report(&down, &["--output", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("missing/report.txt"), "{}", text(&output.stderr));
}
