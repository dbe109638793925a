//! What docs/install.md hands out: scripts that make roles.

use std::path::Path;
use std::process::Command;

use testkit::{Pg, PgOptions, installations, majors};

/// Runs a script of this repository with psql; it must succeed and say nothing.
pub(crate) fn run_script(script: &str, dsn: &str, arguments: &[&str]) {
    // The machine's newest psql: installations for tests have the server's programs only.
    let all = installations();
    let psql = all.iter().find(|binaries| binaries.has_program("psql")).map(|binaries| binaries.program("psql"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script);
    let ran = Command::new(psql.as_deref().unwrap_or(Path::new("psql")))
        .args(["-X", "-q", "-d", dsn, "-f"])
        .arg(path)
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{script}");
}

#[tokio::test]
async fn the_setup_script_gives_the_role_all_that_is_needed_and_no_more() {
    for major in majors().into_iter().filter(|major| *major >= 12) {
        let mut options = PgOptions::major(major).setting("track_io_timing", "on");
        if major >= 14 {
            options = options.setting("track_wal_io_timing", "on");
        }
        options = options.setting("pg_stat_statements.track_planning", "on");
        let pg = Pg::start(options).await.unwrap();
        let admin = pg.connect("postgres").await.unwrap();
        for statement in
            ["drop extension pg_stat_statements", "create table private_rows (n int)", "create database shop"]
        {
            admin.execute(statement, &[]).await.unwrap();
        }
        // Once more changes nothing and says nothing.
        for database in ["postgres", "postgres", "shop", "template1"] {
            run_script("packaging/monitoring-role.sql", &pg.dsn(database), &["-v", "role=watcher"]);
        }
        let dsn = pg.dsn("postgres").replace("user=postgres", "user=watcher");
        let check = Command::new(env!("CARGO_BIN_EXE_pganalytics"))
            .args(["collector", "check"])
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("POSTGRES_DSN", &dsn)
            .output()
            .unwrap();
        let table = String::from_utf8_lossy(&check.stdout);
        assert_eq!(check.status.code(), Some(0), "on PostgreSQL {major}:\n{table}");
        let (watcher, connection) = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let refused = watcher.query("select * from private_rows", &[]).await.unwrap_err();
        assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE));
        let refused = watcher.execute("create temp table mine (n int)", &[]).await.unwrap_err();
        assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::READ_ONLY_SQL_TRANSACTION));
        let row = admin.query_one("select rolconnlimit, rolsuper from pg_roles where rolname = 'watcher'", &[]).await;
        let row = row.unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1)), (5, false));
        drop(watcher);
        connection.await.unwrap().unwrap();
    }
}
