//! What happens to instances: down at start, full, another password, an extension that goes and comes back.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use testkit::{Mode, Pg, PgOptions};
use tokio_postgres::Client;
use wire::{State, StateCode};

use crate::foreign::column;
use crate::rig::{ROLE, Rig, errors, instance_by, make_role, reading, run};

const STATEMENTS: &str = "pg_stat_statements";
const COUNTED: &str = "select 'counted'::text, 1 + 1, now()";

/// Cycles until PostgreSQL answers; the runner's limit ends it. Attempts have their pauses.
async fn until_it_answers(rig: &mut Rig) -> collector::watch::Cycle {
    loop {
        let cycle = rig.cycle().await;
        if cycle.instance.error.is_none() {
            return cycle;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn queryid(admin: &Client) -> i64 {
    let sql = "select queryid from pg_stat_statements where query like 'select $1::text, $2 + $3%'";
    admin.query_one(sql, &[]).await.unwrap().get(0)
}

fn calls(rig: &Rig, cycle: &collector::watch::Cycle, queryid: i64) -> i64 {
    rig.sums(cycle, STATEMENTS, "queryid", "calls").get(&queryid).copied().unwrap_or(0)
}

#[tokio::test]
async fn an_instance_that_is_down_at_the_start_is_read_when_it_comes() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    pg.stop(Mode::Fast).await.unwrap();
    let mut rig = Rig::new(&pg, ROLE);
    let cycle = rig.cycle().await;
    let error = cycle.instance.error.expect("it is down");
    assert!(error.contains(".s.PGSQL.") || error.contains("refused"), "{error}");
    assert!(cycle.instance.attributes.is_none());
    pg.start_again().await.unwrap();
    let cycle = until_it_answers(&mut rig).await;
    assert_eq!(errors(&cycle), [] as [String; 0]);
    assert!(reading(&cycle, STATEMENTS).is_some());
}

#[tokio::test]
async fn an_instance_without_a_free_connection_says_so_and_loses_nothing() {
    let options = PgOptions::default().setting("max_connections", "12").setting("superuser_reserved_connections", "3");
    let pg = Pg::start(options).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "create role crowd login").await;
    run(&admin, COUNTED).await;
    let counted = queryid(&admin).await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    let dsn = pg.dsn("postgres").replace("user=postgres", "user=crowd");
    let mut crowd = Vec::new();
    while let Ok(client) = testkit::connect(&dsn).await {
        crowd.push(client);
    }
    // The session that it has reads on; without it nobody gets in.
    rig.whole_cycle().await;
    let ours = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'monitor'";
    run(&admin, ours).await;
    while let Ok(client) = testkit::connect(&dsn).await {
        crowd.push(client);
    }
    for _ in 0..7 {
        run(&admin, COUNTED).await;
    }
    let error = loop {
        let cycle = rig.cycle().await;
        if let Some(error) = cycle.instance.error.filter(|error| error.contains("53300")) {
            break error;
        }
        // The place that the terminated session leaves may be free for a moment.
        while let Ok(client) = testkit::connect(&dsn).await {
            crowd.push(client);
        }
        run(&admin, ours).await;
    };
    assert!(error.contains("connection"), "{error}");
    drop(crowd);
    let cycle = until_it_answers(&mut rig).await;
    assert_eq!(calls(&rig, &cycle, counted), 7);
}

#[tokio::test]
async fn another_password_is_taken_from_the_file_at_the_next_connection() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "alter role monitor password 'first'").await;
    run(&admin, COUNTED).await;
    let counted = queryid(&admin).await;
    let hba = "local all monitor scram-sha-256\nlocal all all trust\nhost all all all trust\n";
    std::fs::write(pg.data_dir().join("pg_hba.conf"), hba).unwrap();
    pg.reload().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let passfile = directory.path().join("pgpass");
    let write = |password: &str| {
        std::fs::write(&passfile, format!("*:*:*:*:{password}\n")).unwrap();
        std::fs::set_permissions(&passfile, Permissions::from_mode(0o600)).unwrap();
    };
    write("first");
    let asks = async || testkit::connect(&pg.dsn("postgres").replace("user=postgres", "user=monitor")).await.is_err();
    while !asks().await {
        tokio::task::yield_now().await;
    }
    let mut rig = Rig::of(instance_by(&pg, ROLE, &format!(" passfile={}", passfile.display())));
    rig.whole_cycle().await;
    run(&admin, "alter role monitor password 'second'").await;
    run(&admin, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'monitor'").await;
    for _ in 0..5 {
        run(&admin, COUNTED).await;
    }
    let error = loop {
        if let Some(error) = rig.cycle().await.instance.error.filter(|error| error.contains("28P01")) {
            break error;
        }
    };
    assert!(!error.contains("first") && !error.contains("second"), "{error}");
    write("second");
    let cycle = until_it_answers(&mut rig).await;
    assert_eq!(calls(&rig, &cycle, counted), 5);
}

#[tokio::test]
async fn an_extension_that_is_dropped_and_made_again_loses_nothing() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, COUNTED).await;
    let counted = queryid(&admin).await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    run(&admin, "drop extension pg_stat_statements").await;
    for _ in 0..4 {
        run(&admin, COUNTED).await;
    }
    // The cycle in which it went may still have known of it.
    let gone = async |rig: &mut Rig| {
        let states = rig.states().await;
        states.into_iter().find(|state| state.set == STATEMENTS && state.column.is_empty()).unwrap()
    };
    let mut state = gone(&mut rig).await;
    while state.state != State::Missing as i32 {
        state = gone(&mut rig).await;
    }
    assert_eq!(state.code, StateCode::Extension as i32, "{state:?}");
    assert!(state.fix.contains("create extension pg_stat_statements"), "{}", state.fix);
    run(&admin, "create extension pg_stat_statements").await;
    for _ in 0..2 {
        run(&admin, COUNTED).await;
    }
    let mut counted_calls = 0;
    while counted_calls == 0 {
        let cycle = rig.cycle().await;
        counted_calls = calls(&rig, &cycle, counted);
    }
    assert_eq!(counted_calls, 6);
}

#[tokio::test]
async fn names_in_euc_jp_are_read_as_what_they_are() {
    for main in ["UTF8", "EUC_JP"] {
        let pg = Pg::start(PgOptions::default()).await.unwrap();
        if main != "UTF8" {
            let other = pg.connect("template1").await.unwrap();
            run(&other, "drop database postgres").await;
            let made = "create database postgres encoding 'EUC_JP' lc_collate 'C' lc_ctype 'C' template template0";
            run(&other, made).await;
        }
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "create extension if not exists pg_stat_statements").await;
        run(&admin, "create database kura encoding 'EUC_JP' lc_collate 'C' lc_ctype 'C' template template0").await;
        // Told in UTF-8, kept in EUC_JP.
        let kura = pg.connect("kura").await.unwrap();
        run(&kura, "create table \"在庫表\" (\"数\" int)").await;
        run(&kura, "create database \"倉庫\"").await;
        run(&kura, "select 1 as \"在庫\"").await;
        let mut rig = Rig::new(&pg, ROLE);
        let cycle = rig.whole_cycle().await;
        assert!(reading(&cycle, STATEMENTS).is_some_and(|reading| reading.error.is_none()), "{main}: figures");
        let names = column(&rig, &cycle, "pg_database", "datname");
        let expected = if main == "EUC_JP" { "倉庫" } else { "\u{fffd}" };
        assert!(names.iter().any(|name| name.contains(expected)), "{main}: {names:?}");
        let cycles = rig.whole_sweep().await;
        let relations: Vec<String> =
            cycles.iter().flat_map(|cycle| column(&rig, cycle, "pg_class", "relname")).collect();
        assert!(relations.contains(&"在庫表".to_owned()), "{main}: {relations:?}");
    }
}
