//! What a person types: `collector check`, `once`, `--print-config`, `admin user`, and their exit codes.

use std::process::{Command, Output};

use serde_json::Value;
use testkit::{Pg, PgOptions};

fn pganalytics(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pganalytics"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn check_says_what_is_missing_and_the_grant_that_mends_it() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    admin.execute("create role watcher login", &[]).await.unwrap();
    let dsn = pg.dsn("postgres").replace("user=postgres", "user=watcher");
    let environment = [("POSTGRES_DSN", dsn.as_str())];
    let check = pganalytics(&["collector", "check"], &environment);
    let table = text(&check.stdout);
    assert_eq!(check.status.code(), Some(3), "{table}");
    assert!(table.contains("grant pg_monitor to watcher;"), "{table}");
    let json = pganalytics(&["collector", "check", "--json"], &environment);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    let states = report["instances"][0]["states"].as_array().unwrap().clone();
    let statements = states.iter().find(|state| state["set"] == "pg_stat_statements" && state["column"].is_null());
    assert_eq!(statements.unwrap()["state"], "missing");
    admin.execute("grant pg_monitor to watcher", &[]).await.unwrap();
    let table = text(&pganalytics(&["collector", "check"], &environment).stdout);
    assert!(!table.contains("grant pg_monitor"), "{table}");
    // Nor is a database that refuses the role a riddle.
    admin.execute("revoke connect on database postgres from public", &[]).await.unwrap();
    let check = pganalytics(&["collector", "check"], &environment);
    let said = text(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(said.contains(" (database postgres): grant connect on database postgres to watcher;"), "{said}");
    let unreachable = [("POSTGRES_DSN", "host=/nonexistent user=x dbname=y")];
    let check = pganalytics(&["collector", "check"], &unreachable);
    assert_eq!(check.status.code(), Some(1));
    let said = text(&check.stdout);
    assert!(
        said.contains("cannot be read")
            && said.contains("/nonexistent/.s.PGSQL.5432")
            && said.contains("(database postgres)"),
        "{said}"
    );
}

/// A port of this machine where nobody listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn check_finds_what_would_not_work_and_names_it() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let dsn = pg.dsn("postgres");
    let port = closed_port();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = |dsn: &str, more: &str| format!("[postgres]\ndsn = \"{dsn}\"\n{more}");
    let backend = format!("[backend]\nurl = \"http://127.0.0.1:{port}\"\n");
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    let garbage = file("garbage.pem", "no certificate");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let empty = file("empty", "\n");
    std::fs::set_permissions(&empty, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let nowhere = format!("host=127.0.0.1 port={port} user=watcher dbname=shop");
    let absent = pg.dsn("nosuch");
    for (toml, said) in [
        (config(&nowhere, ""), format!("connection refused by 127.0.0.1:{port} (database postgres)")),
        (config(&absent, ""), "database \"nosuch\" does not exist (SQLSTATE 3D000)".to_owned()),
        (config(&dsn, "databases = [\"postgres\", \"nosuch\"]\n"), "databases: no database is \"nosuch\"".to_owned()),
        (config(&dsn, &backend), format!("server http://127.0.0.1:{port}: cannot be used: reach the server: ")),
        (config(&dsn, &format!("{backend}[tls]\nca_file = \"{missing}\"\n")), format!("read {missing}")),
        (config(&dsn, &format!("{backend}[tls]\nca_file = \"{garbage}\"\n")), format!("{garbage} has no certificate")),
        (config(&dsn, &format!("{backend}[tls]\nca_file = \"{broken}\"\n")), broken.clone()),
        (config(&dsn, &format!("{backend}registration_secret_file = \"{missing}\"\n")), missing.clone()),
        (config(&dsn, &format!("{backend}registration_secret_file = \"{empty}\"\n")), format!("{empty} is empty")),
        (config(&dsn, &format!("{backend}registration_secret_file = \"/\"\n")), "cannot read /".to_owned()),
    ] {
        let path = file("collector.toml", &toml);
        let check = pganalytics(&["collector", "check", "--config", &path], &[("STATE_DIR", &missing)]);
        let output = text(&check.stdout) + &text(&check.stderr);
        assert!(output.contains(&said), "{said}: {output}");
        assert_eq!(check.status.code(), Some(1), "{said}: {output}");
    }
    // What would work is said, too.
    let path = file("collector.toml", &config(&dsn, ""));
    let check = pganalytics(&["collector", "check", "--config", &path], &[]);
    assert!(text(&check.stdout).contains("server: none is configured"), "{}", text(&check.stdout));
}

#[tokio::test]
async fn once_prints_a_reading_as_json() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    for _ in 0..7 {
        admin.simple_query("select 7 - 7 * 7 as seven_times").await.unwrap();
    }
    let dsn = pg.dsn("postgres");
    let once = pganalytics(&["collector", "once"], &[("POSTGRES_DSN", dsn.as_str())]);
    assert_eq!(once.status.code(), Some(0), "{}", text(&once.stderr));
    let reading: Value = serde_json::from_slice(&once.stdout).unwrap();
    let sets = reading["instances"][0]["sets"].as_array().unwrap();
    let rows = |set: &str| {
        let found = sets.iter().find(|entry| entry["set"] == set).unwrap_or_else(|| panic!("{set} is not read"));
        found["rows"].as_array().unwrap().clone()
    };
    assert!(rows("pg_stat_statements").iter().any(|row| row["calls"] == 7), "the seven calls are there");
    assert!(rows("pg_stat_statements_text").iter().any(|row| row["query"].as_str().unwrap().contains("seven_times")));
    assert!(rows("pg_database").iter().any(|row| row["datname"] == "postgres"));
    assert!(rows("pg_settings").len() > 200);
}

/// As `| head` does: whoever reads has enough after the first bytes, or before them.
#[tokio::test]
async fn a_reader_that_has_enough_ends_it_quietly() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let dsn = pg.dsn("postgres");
    for arguments in [
        ["collector", "once"].as_slice(),
        &["collector", "check"],
        &["collector", "check", "--json"],
        &["collector", "run", "--print-config"],
        &["server", "--print-config"],
    ] {
        // Closed before it begins: it may be faster than whoever closes it afterwards.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pganalytics"));
        command.args(arguments).env_clear().env("POSTGRES_DSN", &dsn).stdout(writer);
        let ended = command.output().unwrap();
        assert_eq!((text(&ended.stderr), ended.status.code()), (String::new(), Some(128 + 13)), "{arguments:?}");
    }
    // What cannot be written for another reason is a failure.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_pganalytics"));
    let ended = server.args(["server", "--print-config"]).env_clear().stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).starts_with("pganalytics: write to standard output: "), "{}", text(&ended.stderr));
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("collector.toml");
    std::fs::write(&path, "[collector]\nname = \"x\"\nintervall = 5\n[postgres]\ndsn = \"host=h user=u\"\n").unwrap();
    let run = pganalytics(&["collector", "check", "--config", path.to_str().unwrap()], &[]);
    assert_eq!(run.status.code(), Some(1));
    let message = text(&run.stderr);
    assert!(message.contains('3') && message.contains("intervall") && message.contains("interval"), "{message}");
    std::fs::write(&path, "[postgres]\ndsn = \"host=h user=u password=hunter2\"\n").unwrap();
    let run = pganalytics(&["collector", "run", "--print-config", "--config", path.to_str().unwrap()], &[]);
    assert_eq!(run.status.code(), Some(0));
    assert!(!text(&run.stdout).contains("hunter2"), "{}", text(&run.stdout));
    assert_eq!(pganalytics(&["frobnicate"], &[]).status.code(), Some(2));
}

#[tokio::test]
async fn users_are_made_and_reset_from_the_command_line() {
    let store = testkit::store().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let environment = [("DATABASE_URL", store.dsn.as_str()), ("DATA_DIR", directory.path().to_str().unwrap())];
    assert_eq!(pganalytics(&["migrate"], &environment).status.code(), Some(0));
    let added = pganalytics(&["admin", "user", "add", "dba", "--role", "admin"], &environment);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    let first = text(&added.stdout);
    assert!(first.contains("user dba") && first.contains("password "), "{first}");
    let again = pganalytics(&["admin", "user", "add", "dba"], &environment);
    assert_eq!(again.status.code(), Some(1));
    let reset = pganalytics(&["admin", "user", "reset", "dba"], &environment);
    assert_eq!(reset.status.code(), Some(0), "{}", text(&reset.stderr));
    assert_ne!(text(&reset.stdout), first);
    assert_eq!(pganalytics(&["admin", "user", "reset", "nobody"], &environment).status.code(), Some(1));
}

#[tokio::test]
async fn retention_is_told_with_its_growth_and_changed_from_the_command_line() {
    let store = testkit::store().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let environment = [
        ("DATABASE_URL", store.dsn.as_str()),
        ("DATA_DIR", directory.path().to_str().unwrap()),
        ("STORE_DISK_BYTES", "5000000000"),
    ];
    assert_eq!(pganalytics(&["migrate"], &environment).status.code(), Some(0));
    let told = |arguments: &[&str]| {
        let run = pganalytics(&[&["admin", "retention"], arguments].concat(), &environment);
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
        text(&run.stdout)
    };
    let line = |told: &str, set: &str, tier: &str| -> Vec<String> {
        let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut lines = told.lines().map(fields);
        lines.find(|fields| fields.first().is_some_and(|one| one == set) && fields[1] == tier).unwrap()
    };
    let young = told(&[]);
    assert_eq!(line(&young, "wal", "raw")[2..4], ["7", "7"]);
    assert_eq!(line(&young, "wal", "raw")[5], "-", "growth is not known yet");
    assert!(young.contains("There is not enough data") && !young.contains("it is full on"), "{young}");
    assert!(young.contains("Its disk has 49"), "of 5000 MB: {young}");
    // As the job noted it yesterday and today.
    let client = store.connect().await.unwrap();
    for (ago, bytes) in [("1 day", 0_i64), ("0", 2_500_000)] {
        let sql = "insert into metrics.sizes (table_name, at, bytes) values ('wal', now() - $1::text::interval, $2),
            ('', now() - $1::text::interval, 5 * $2)";
        client.execute(sql, &[&ago, &bytes]).await.unwrap();
    }
    let grown = told(&["--set", "wal", "--tier", "raw", "--days", "9", "--dry-run"]);
    assert_eq!(line(&grown, "wal", "raw")[2..6], ["9", "7", line(&young, "wal", "raw")[4].as_str(), "2.5"]);
    assert!(grown.contains("12.5 MB a day more since ") && grown.contains("At this rate it is full on 20"), "{grown}");
    assert_eq!(line(&told(&[]), "wal", "raw")[2], "7", "it was only asked for");
    told(&["--set", "wal", "--tier", "raw", "--days", "9"]);
    assert_eq!(line(&told(&[]), "wal", "raw")[2], "9");
    let refused = pganalytics(&["admin", "retention", "--set", "wal", "--tier", "5m", "--days", "3"], &environment);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--days must be"), "{}", text(&refused.stderr));
    let no_days = pganalytics(&["admin", "retention", "--set", "wal", "--tier", "5m", "--days", "0"], &environment);
    assert_eq!(no_days.status.code(), Some(2), "{}", text(&no_days.stderr));
}

#[tokio::test]
async fn administering_takes_a_store_as_it_is() {
    let store = testkit::store().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let environment = [("DATABASE_URL", store.dsn.as_str()), ("DATA_DIR", directory.path().to_str().unwrap())];
    let refused = || {
        let run = pganalytics(&["admin", "retention"], &environment);
        assert_eq!(run.status.code(), Some(1), "{}", text(&run.stdout));
        text(&run.stderr)
    };
    let client = store.connect().await.unwrap();
    let count = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    let said = refused();
    assert!(said.contains("has no schema pganalytics, so there is no store"), "{said}");
    let schemas = "select count(*) from pg_namespace where nspname in ('pganalytics', 'metrics')";
    assert_eq!(count(schemas).await, 0, "another database than the server's is left alone");
    assert_eq!(pganalytics(&["migrate"], &environment).status.code(), Some(0));
    // As an older version left it, whose servers may run.
    let newest = "delete from metrics.migrations where number = (select max(number) from metrics.migrations)";
    client.execute(newest, &[]).await.unwrap();
    let before = count("select count(*) from metrics.migrations").await;
    let said = refused();
    assert!(said.contains("schema metrics is at migration ") && said.contains("`pganalytics migrate`"), "{said}");
    assert_eq!(count("select count(*) from metrics.migrations").await, before);
}

#[test]
fn administering_no_store_says_so_and_makes_none() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let run = pganalytics(&["admin", "user", "reset", "admin"], &[("DATA_DIR", data_dir.to_str().unwrap())]);
    assert_eq!(run.status.code(), Some(1));
    let said = text(&run.stderr);
    assert!(said.contains("there is no store in") && said.contains("DATA_DIR must be the server's"), "{said}");
    assert!(!data_dir.exists(), "nothing was made");
}

#[tokio::test]
async fn where_no_store_can_be_kept_is_told_before_anything_is_made_there() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    for statement in [
        "create role reader login superuser",
        "alter role reader set default_transaction_read_only = on",
        "create role stranger login",
        "create database \"the store\"",
    ] {
        admin.execute(statement, &[]).await.unwrap();
    }
    let dsn = |user: &str| pg.dsn("the store").replace("user=postgres", &format!("user={user}"));
    let port = closed_port();
    let directory = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 3] = [&["migrate"], &["server"], &["admin", "user", "reset", "admin"]];
    for (url, said) in [
        (
            format!("host=127.0.0.1 port={port} user=keeper dbname=kept"),
            format!("connect to DATABASE_URL: connection refused by 127.0.0.1:{port} (role keeper, database kept)"),
        ),
        (
            dsn("reader"),
            "use DATABASE_URL: role reader may only read in database \"the store\": the store needs one that writes \
             (`alter role reader reset default_transaction_read_only`, where that is what says so)"
                .to_owned(),
        ),
        (
            dsn("stranger"),
            "use DATABASE_URL: role stranger may not create schemas in database \"the store\": `grant create on \
             database \"the store\" to stranger`"
                .to_owned(),
        ),
    ] {
        let data_dir = directory.path().to_str().unwrap();
        let environment =
            [("DATABASE_URL", url.as_str()), ("DATA_DIR", data_dir), ("PORT", "0"), ("LOG_LEVEL", "error")];
        for command in commands {
            let run = pganalytics(command, &environment);
            assert_eq!(
                (run.status.code(), text(&run.stderr)),
                (Some(1), format!("pganalytics: {said}\n")),
                "{command:?}"
            );
        }
    }
    let made = "select count(*) from pg_namespace where nspname in ('pganalytics', 'metrics')";
    let there = pg.connect("the store").await.unwrap();
    assert_eq!(there.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 0);
    // What mends it, as it is told.
    admin.execute("grant create on database \"the store\" to stranger", &[]).await.unwrap();
    let migrated = pganalytics(&["migrate"], &[("DATABASE_URL", &dsn("stranger")), ("LOG_LEVEL", "error")]);
    assert_eq!(migrated.status.code(), Some(0), "{}", text(&migrated.stderr));
}

#[tokio::test]
async fn a_store_that_is_too_old_is_refused_before_anything_is_made_in_it() {
    for major in testkit::majors().into_iter().filter(|major| *major < ::store::OLDEST_STORE) {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        let dsn = pg.dsn("postgres");
        let run = pganalytics(&["migrate"], &[("DATABASE_URL", &dsn), ("LOG_LEVEL", "error")]);
        let said = text(&run.stderr);
        let expected =
            format!("pganalytics: use DATABASE_URL: the store needs PostgreSQL 14 or newer, here is {major}.");
        assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
        let made = "select count(*) from pg_namespace where nspname in ('pganalytics', 'metrics')";
        let client = pg.connect("postgres").await.unwrap();
        assert_eq!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 0);
    }
}
