//! What docs/install.md hands out: scripts that make roles.

use std::process::Command;

use testkit::{Mode, Pg, PgOptions, majors, psql};

const ROLE_SCRIPT: &str = "packaging/monitoring-role.sql";

/// Runs a script of this repository with psql; it must succeed and say nothing.
pub(crate) fn run_script(script: &str, dsn: &str, arguments: &[&str]) {
    assert_eq!(psql(script, dsn, arguments).unwrap(), (Some(0), String::new()), "{script}");
}

/// How `collector check` ends, and what it says.
fn check(dsn: &str) -> (Option<i32>, String) {
    let check = Command::new(env!("CARGO_BIN_EXE_pganalytics"))
        .args(["collector", "check"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("POSTGRES_DSN", dsn)
        .output()
        .unwrap();
    (check.status.code(), String::from_utf8_lossy(&check.stdout).into_owned())
}

#[tokio::test]
async fn the_setup_script_gives_the_role_all_that_is_needed_and_no_more() {
    for major in majors() {
        // Everything at its default but what the extension takes, which the template of tests has.
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        let admin = pg.connect("postgres").await.unwrap();
        for statement in
            ["drop extension pg_stat_statements", "create table private_rows (n int)", "create database shop"]
        {
            admin.execute(statement, &[]).await.unwrap();
        }
        // Once more changes nothing and says nothing.
        for database in ["postgres", "postgres", "shop", "template1"] {
            run_script(ROLE_SCRIPT, &pg.dsn(database), &["-v", "role=watcher"]);
        }
        let dsn = pg.dsn("postgres").replace("user=postgres", "user=watcher");
        let (code, table) = check(&dsn);
        assert_eq!(code, Some(0), "on PostgreSQL {major}:\n{table}");
        // What PostgreSQL leaves off because it costs is a hint, told once with what it costs.
        let (_, hints) = table.split_once("  hints, ").unwrap_or_else(|| panic!("on PostgreSQL {major}:\n{table}"));
        for setting in ["track_io_timing", "track_wal_io_timing", "pg_stat_statements.track_planning"] {
            let known = setting != "track_wal_io_timing" || major >= 14;
            let known = known && (setting != "pg_stat_statements.track_planning" || major >= 13);
            let proposed = format!("→ alter system set {setting} = on; select pg_reload_conf(); -- ");
            assert_eq!(hints.matches(&proposed).count(), usize::from(known), "on PostgreSQL {major}:\n{table}");
            assert_eq!(table.matches(&proposed).count(), usize::from(known), "on PostgreSQL {major}:\n{table}");
        }
        // An older version of the extension, then in a schema of its own.
        for statement in ["drop extension pg_stat_statements", "create extension pg_stat_statements version '1.6'"] {
            admin.execute(statement, &[]).await.unwrap();
        }
        // 12 has one that is newer, and no more columns.
        let (code, table) = check(&dsn);
        assert_eq!(code, Some(if major > 12 { 3 } else { 0 }), "on PostgreSQL {major}:\n{table}");
        let proposes = table.contains("→ alter extension pg_stat_statements update; -- ");
        assert_eq!(proposes, major > 12, "on PostgreSQL {major}:\n{table}");
        for statement in
            ["create schema \"Ext Schema\"", "alter extension pg_stat_statements set schema \"Ext Schema\""]
        {
            admin.execute(statement, &[]).await.unwrap();
        }
        // A database that is closed to the public.
        admin.execute("revoke connect on database shop from public", &[]).await.unwrap();
        let (code, table) = check(&dsn);
        assert_eq!(code, Some(3), "on PostgreSQL {major}:\n{table}");
        assert!(table.contains("→ grant connect on database shop to watcher;\n"), "on PostgreSQL {major}:\n{table}");
        let fix = "→ grant usage on schema \"Ext Schema\" to watcher; -- in the database postgres\n";
        assert_eq!(table.matches(fix).count(), 3, "on PostgreSQL {major}:\n{table}");
        for database in ["postgres", "shop"] {
            run_script(ROLE_SCRIPT, &pg.dsn(database), &["-v", "role=watcher"]);
        }
        let (code, table) = check(&dsn);
        assert_eq!(code, Some(0), "on PostgreSQL {major}:\n{table}");
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
        // What is on unless somebody switches it off is no hint.
        drop(admin);
        pg.set("track_counts", "off").unwrap();
        pg.restart(Mode::Fast).await.unwrap();
        let (code, table) = check(&dsn);
        assert_eq!(code, Some(3), "on PostgreSQL {major}:\n{table}");
        let (states, _) = table.split_once("  hints, ").unwrap();
        assert!(states.contains("track_counts is off. ("), "on PostgreSQL {major}:\n{table}");
    }
}

#[tokio::test]
async fn without_a_superuser_the_setup_script_does_what_is_allowed_and_warns_of_the_rest() {
    for major in majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        let admin = pg.connect("postgres").await.unwrap();
        for statement in [
            "create role operator login createrole",
            "create role shopkeeper login",
            "create database shop owner shopkeeper",
            "drop extension pg_stat_statements",
        ] {
            admin.execute(statement, &[]).await.unwrap();
        }
        let run = |who: &str, database: &str| {
            let dsn = pg.dsn(database).replace("user=postgres", &format!("user={who}"));
            psql(ROLE_SCRIPT, &dsn, &["-v", "role=watcher"]).unwrap()
        };
        // From 16 on, to create roles is not to grant every role.
        if major >= 16 {
            let (code, said) = run("operator", "postgres");
            assert_eq!(code, Some(3), "on PostgreSQL {major}: {said}");
            assert!(said.contains("ERROR:  The role lacks pg_monitor, which watching needs."), "{said}");
            admin.execute("grant pg_monitor to operator with admin option", &[]).await.unwrap();
        }
        let warned = |said: &str| -> Vec<String> {
            let of_statement = |line: &str| Some(line.split_once("WARNING:  ")?.1.split_once(": ")?.0.to_owned());
            said.lines().filter_map(of_statement).collect()
        };
        let mut expected = vec!["alter role watcher set log_min_duration_statement = -1"];
        if major >= 16 {
            expected.push("grant pg_use_reserved_connections to watcher");
        }
        if major >= 11 {
            expected.push("grant execute on function pg_catalog.pg_stat_file(text, boolean) to watcher");
        }
        expected.push("create extension pg_stat_statements");
        for again in [false, true] {
            let (code, said) = run("operator", "postgres");
            assert_eq!((code, warned(&said)), (Some(0), expected.clone().into_iter().map(String::from).collect()));
            assert!(!said.contains("ERROR"), "on PostgreSQL {major}, again {again}: {said}");
        }
        // Who owns a database and makes no roles is refused only what a superuser alone can grant.
        let (code, said) = run("shopkeeper", "shop");
        assert_eq!(code, Some(0), "on PostgreSQL {major}: {said}");
        assert_eq!(warned(&said).len(), expected.len() - 1, "{said}");
        let has = "select pg_has_role('watcher', 'pg_monitor', 'member'), rolconnlimit, rolconfig from pg_roles \
            where rolname = 'watcher'";
        let row = admin.query_one(has, &[]).await.unwrap();
        assert_eq!((row.get::<_, bool>(0), row.get::<_, i32>(1)), (true, 5));
        let limits = ["default_transaction_read_only=on", "lock_timeout=1s", "statement_timeout=1min"];
        assert_eq!(row.get::<_, Vec<String>>(2), limits);
        // What was left out a superuser adds later.
        run_script(ROLE_SCRIPT, &pg.dsn("postgres"), &["-v", "role=watcher"]);
        let (code, said) = run("operator", "postgres");
        assert_eq!((code, warned(&said)), (Some(0), Vec::new()), "on PostgreSQL {major}: {said}");
        // Before 11 a function of the script stands for the right to ask for files.
        assert_eq!(said.contains("Only a superuser can make the functions"), major < 11, "{said}");
    }
}
