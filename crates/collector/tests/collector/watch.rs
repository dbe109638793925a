//! Cycles over real instances: restarts, drops, rights, secrets and odd encodings.

use std::collections::BTreeSet;
use std::sync::Arc;

use collector::spool::Bounds;
use collector::state::Held;
use collector::watch::Watch;
use prost::Message as _;
use testkit::{Mode, Pg, PgOptions};
use wire::{State, StateCode};

use crate::rig::{ROLE, Rig, errors, make_role, reading, reasons, run};

const STATEMENTS: &str = "pg_stat_statements";
const SECRET: &str = "hunter2";

/// Statements that say a secret, each in one of the ways that PostgreSQL keeps as it was written.
const TELLING: [&str; 12] = [
    "create role r1 password 'hunter2'",
    "create user r2 with encrypted password 'hunter2' valid until 'infinity'",
    "alter role r1 password 'hunter2'",
    "alter user r2 PassWord E'hunter\\x32'",
    "create role r3 /* hunter2 */ login password $tag$hunter2$tag$ -- hunter2\n",
    "create server s1 foreign data wrapper w1 options (host 'h')",
    "create user mapping for r1 server s1 options (user 'u', password 'hunter2')",
    "alter user mapping for r1 server s1 options (set password 'hunter2')",
    "create subscription sub1 connection 'host=h dbname=d password=hunter2' publication p with (connect = false)",
    "alter subscription sub1 connection 'postgresql://u:hunter2@h/d'",
    "do $do$ begin execute 'alter role r1 password ''hunter2'''; end $do$",
    "alter system set primary_conninfo = 'host=h password=hunter2'",
];

#[tokio::test]
async fn every_statement_of_the_collector_is_signed() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let mut rig = Rig::new(&pg, ROLE);
        rig.whole_cycle().await;
        rig.whole_sweep().await;
        let admin = pg.connect("postgres").await.unwrap();
        let sql =
            "select query, right(query, length($1)) = $1 from pg_stat_statements where userid = 'monitor'::regrole";
        let rows = admin.query(sql, &[&catalog::SIGNATURE]).await.unwrap();
        assert!(rows.len() > 20, "{major} saw {} statements of the collector", rows.len());
        let unsigned: Vec<&str> = rows.iter().filter(|row| !row.get::<_, bool>(1)).map(|row| row.get(0)).collect();
        assert!(unsigned.is_empty(), "{major}: {unsigned:#?}");
    }
}

#[test]
fn what_is_sent_once_is_read_at_once_to_be_sent_again_but_not_ever_again() {
    let text = "[postgres]\ndsn = \"host=/nowhere user=u dbname=d\"\n".to_owned();
    let config = config::Config::load(None, Some(text), &|_| None, &config::Names::default()).unwrap();
    let catalog = Arc::new(catalog::Catalog::embedded().unwrap());
    let mut watch = Watch::new(config.instances[0].clone(), catalog, |_| None);
    let expected =
        ["pg_auth_members", "pg_database", "pg_roles", "pg_settings", "pg_stat_statements_text", "pg_subscription"];
    assert_eq!(watch.forget_sent().into_iter().collect::<BTreeSet<_>>(), expected.map(str::to_owned).into());
    assert!(watch.forget_sent().is_empty());
}

#[tokio::test]
async fn secrets_stay_in_the_instance() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "create foreign data wrapper w1").await;
        // Up to 11 recovery has a file of its own.
        for sql in TELLING.iter().filter(|sql| major >= 12 || !sql.contains("primary_conninfo")) {
            run(&admin, sql).await;
        }
        pg.reload().unwrap();
        let shown = "select count(*) from pg_stat_statements where query like '%hunter%'";
        let kept: i64 = admin.query_one(shown, &[]).await.unwrap().get(0);
        assert!(kept > 5, "{major} keeps {kept} of them: this test would show nothing");
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::new(&pg, ROLE);
        let bounds = Bounds { max_bytes: 1 << 30, max_age_us: i64::MAX };
        let mut held = Held::open(dir.path(), bounds, Arc::clone(&rig.catalog), "test".into()).unwrap();
        let cycle = rig.whole_cycle().await;
        let texts = reading(&cycle, "pg_stat_statements_text").expect("texts were read");
        assert!(texts.rows > 10, "{} texts", texts.rows);
        for reading in &cycle.readings {
            assert_clean(&reading.encode_to_vec(), &format!("{major}: {}", reading.set));
        }
        for advance in &cycle.advances {
            assert_clean(&advance.encode_to_vec(), &format!("{major}: the baseline of {}", advance.set));
        }
        assert_clean(format!("{:?}", cycle.instance).as_bytes(), &format!("{major}: the instance"));
        held.commit(cycle).unwrap();
        held.checkpoint().unwrap();
        drop(held);
        for entry in std::fs::read_dir(dir.path().join("spool")).unwrap() {
            let path = entry.unwrap().path();
            assert_clean(&std::fs::read(&path).unwrap(), &format!("{major}: {}", path.display()));
        }
    }
}

fn assert_clean(bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(bytes);
    let found = text.find(SECRET).or_else(|| text.find("hunter\\x32"));
    assert!(
        found.is_none(),
        "{what} says {:?}",
        found.map(|at| text.chars().skip(at.saturating_sub(80)).take(120).collect::<String>())
    );
}

#[tokio::test]
async fn a_watched_database_can_be_dropped_and_renamed() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "drop extension pg_stat_statements").await;
    for name in ["first", "second"] {
        run(&admin, &format!("create database {name}")).await;
        run(&pg.connect(name).await.unwrap(), "create extension pg_stat_statements").await;
    }
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    assert!(reading(&rig.whole_cycle().await, STATEMENTS).unwrap().interval_us.is_some());
    for sql in ["alter database first rename to third", "drop database second"] {
        run(&admin, sql).await;
        // One cycle may find it gone.
        rig.cycle().await;
        let cycle = rig.whole_cycle().await;
        assert!(reading(&cycle, STATEMENTS).unwrap().interval_us.is_some(), "after {sql}");
    }
    run(&admin, "drop database third").await;
    rig.cycle().await;
    let cycle = rig.cycle().await;
    let state = cycle.instance.states.iter().find(|state| state.set == STATEMENTS);
    let state = state.or(None);
    assert!(reading(&cycle, STATEMENTS).is_none());
    if let Some(state) = state {
        assert_eq!(state.state, State::Missing as i32);
        assert!(state.fix.starts_with("create extension pg_stat_statements; -- costs nothing more"), "{}", state.fix);
    }
}

#[tokio::test]
async fn an_extension_that_is_updated_is_read_on() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "drop extension pg_stat_statements").await;
    run(&admin, "create database other").await;
    let other = pg.connect("other").await.unwrap();
    run(&other, "create extension pg_stat_statements version '1.8'").await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    let version =
        |cycle: &collector::watch::Cycle| cycle.instance.attributes.clone().unwrap().statements_version.unwrap();
    assert_eq!(version(&rig.whole_cycle().await), "1.8");
    run(&other, "alter extension pg_stat_statements update to '1.10'").await;
    rig.cycle().await;
    let cycle = rig.whole_cycle().await;
    assert_eq!(version(&cycle), "1.10");
    // Nested statements are told apart from here on: the counters stand under other keys.
    assert_eq!((reading(&cycle, STATEMENTS).unwrap().interval_us, reasons(&cycle, STATEMENTS)), (None, vec!["gap"]));
    assert!(reading(&rig.whole_cycle().await, STATEMENTS).unwrap().interval_us.is_some());
}

#[tokio::test]
async fn what_is_not_granted_is_said_and_works_after_the_grant() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, &format!("create role {ROLE} login")).await;
    run(&admin, "select 1 as before_the_grant").await;
    let mut rig = Rig::new(&pg, ROLE);
    let cycle = rig.cycle().await;
    let state = cycle.instance.states.iter().find(|state| state.set == STATEMENTS).unwrap();
    assert_eq!(state.state, State::Missing as i32);
    assert!(state.fix.starts_with("grant pg_monitor to monitor; -- costs nothing"), "{}", state.fix);
    let fixes = cycle.instance.states.iter().map(|state| state.fix.as_str()).filter(|fix| !fix.is_empty());
    let of_settings = fixes.clone().filter(|fix| fix.starts_with("alter system set track_")).count();
    assert!(of_settings > 0 && fixes.clone().all(|fix| fix.contains(" -- ")), "{:?}", fixes.collect::<Vec<_>>());
    assert!(reading(&cycle, STATEMENTS).is_none());
    run(&admin, "grant pg_monitor to monitor").await;
    let cycle = rig.whole_cycle().await;
    let state = cycle.instance.states.iter().find(|state| state.set == STATEMENTS).unwrap();
    assert_eq!(state.state, State::Works as i32);
    let first = reading(&cycle, STATEMENTS).unwrap();
    assert_eq!((first.interval_us, first.rows), (None, 0), "a baseline, and no jump");
    // What is taken away again is not read as nothing from the next cycle on.
    run(&admin, "revoke pg_monitor from monitor").await;
    let cycle = rig.cycle().await;
    for set in [STATEMENTS, "sessions", "pg_stat_activity", "lock_waits"] {
        let state = cycle.instance.states.iter().find(|state| state.set == set).unwrap();
        assert_eq!(state.state, State::Missing as i32, "{state:?}");
        assert!(state.fix.starts_with("grant pg_monitor to monitor;"), "{state:?}");
        assert!(reading(&cycle, set).is_none(), "{set}");
    }
}

/// The sets that read the extension, each with how it stands and what mends it.
async fn of_extension(rig: &mut Rig) -> Vec<(String, i32, String)> {
    let states = rig.states().await.into_iter().filter(|state| state.set.starts_with(STATEMENTS));
    states.filter(|state| state.column.is_empty()).map(|state| (state.set, state.state, state.fix)).collect()
}

#[tokio::test]
async fn an_extension_that_the_role_may_not_use_is_said_with_the_grants_that_mend_it() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "create schema \"Ext Schema\"; alter extension pg_stat_statements set schema \"Ext Schema\"").await;
        let mut rig = Rig::new(&pg, ROLE);
        for (revoked, fix) in [
            ("", "grant usage on schema \"Ext Schema\" to monitor; -- in the database postgres"),
            (
                "revoke execute on function \"Ext Schema\".pg_stat_statements(boolean) from public",
                "grant execute on function \"Ext Schema\".pg_stat_statements(boolean) to monitor; -- in the database postgres",
            ),
        ] {
            run(&admin, revoked).await;
            let denied = of_extension(&mut rig).await;
            assert_eq!(denied.len(), 3, "{denied:?}");
            for (set, state, said) in &denied {
                assert_eq!((*state, said.as_str()), (State::Missing as i32, fix), "{major}: {set}");
            }
            // What cannot be read is not tried.
            assert!(reading(&rig.whole_cycle().await, STATEMENTS).is_none(), "{major}");
            run(&admin, fix).await;
            let mended = of_extension(&mut rig).await;
            let works = |set: &str| major >= 14 || set != "pg_stat_statements_info";
            for (set, state, said) in mended.iter().filter(|(set, ..)| works(set)) {
                assert_eq!((*state, said.as_str()), (State::Works as i32, ""), "{major}: {set}");
            }
            assert!(reading(&rig.whole_cycle().await, STATEMENTS).is_some(), "{major}");
        }
        // Where another database's may be used, it is read there.
        run(&admin, "revoke usage on schema \"Ext Schema\" from monitor").await;
        run(&admin, "create database shop").await;
        run(&pg.connect("shop").await.unwrap(), "create extension pg_stat_statements").await;
        let mut rig = Rig::new(&pg, ROLE);
        assert!(reading(&rig.whole_cycle().await, STATEMENTS).is_some(), "{major}");
    }
}

#[tokio::test]
async fn whatever_is_denied_is_said_with_the_grant_that_mends_it() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        let mut rig = Rig::new(&pg, ROLE);
        rig.whole_cycle().await;
        for (set, right) in [
            // Of who the instance is, so that nothing is read.
            (None, "execute on function pg_control_system()"),
            (None, "select on pg_settings"),
            // A function behind a view.
            (None, "execute on function pg_stat_get_activity(integer)"),
            (Some("sessions"), "execute on function age(xid)"),
            (Some("wal_directory"), "execute on function pg_ls_waldir()"),
            // Read in a transaction that is then of no use.
            (Some("pg_settings"), "execute on function textne(text,text)"),
            (Some("pg_stat_all_tables"), "select on pg_stat_all_tables"),
        ] {
            run(&admin, &format!("revoke {right} from public, pg_monitor")).await;
            let is_of_databases = set == Some("pg_stat_all_tables");
            if is_of_databases {
                rig.sweep().await;
            }
            rig.watch.forget_sent();
            let cycle = rig.cycle().await;
            let granted = format!("grant {right} to monitor;");
            match set {
                None => {
                    let error = cycle.instance.error.unwrap_or_else(|| panic!("{major}: {right} is not missed"));
                    assert!(error.ends_with(&format!(" (SQLSTATE 42501): {granted}")), "{major}: {error}");
                }
                Some(set) => {
                    let state = cycle.instance.states.iter().find(|state| state.set == set).unwrap();
                    assert_eq!(state.state, State::Missing as i32, "{major}: {state:?}");
                    assert_eq!(state.fix.split_inclusive(';').next(), Some(granted.as_str()), "{major}: {state:?}");
                }
            }
            run(&admin, &granted).await;
            if is_of_databases {
                rig.whole_sweep().await;
            }
            rig.whole_cycle().await;
        }
        // Databases, first one and then all.
        run(&admin, "create database \"Shop 1\"").await;
        run(&admin, "revoke connect on database \"Shop 1\" from public").await;
        assert_eq!(rig.sweep().await.len(), 1, "{major}");
        let states = rig.states().await;
        let state = states.iter().find(|state| state.set == "pg_stat_all_tables").unwrap();
        assert_eq!((state.state, state.code), (State::Degraded as i32, StateCode::Privilege as i32), "{state:?}");
        assert!(state.message.starts_with("Not read in 1 of 2 databases (Shop 1: "), "{major}: {}", state.message);
        assert_eq!(state.fix, "grant connect on database \"Shop 1\" to monitor;", "{major}");
        run(&admin, "revoke connect on database postgres from public").await;
        assert_eq!(rig.sweep().await.len(), 0, "{major}");
        let fix = rig.fix("pg_stat_all_tables").await.unwrap();
        let mut grants: Vec<&str> = fix.split_inclusive(';').map(str::trim).collect();
        grants.sort_unstable();
        assert_eq!(
            grants,
            ["grant connect on database \"Shop 1\" to monitor;", "grant connect on database postgres to monitor;"],
            "{major}"
        );
        run(&admin, &fix).await;
        assert_eq!(rig.whole_sweep().await.len(), 2, "{major}");
    }
}

#[tokio::test]
async fn the_session_that_reads_is_counted_as_an_idle_connection() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        let mut rig = Rig::new(&pg, ROLE);
        let role = format!("select oid::int8 from pg_roles where rolname = '{ROLE}'");
        let role: i64 = admin.query_one(&role, &[]).await.unwrap().get(0);
        let due = ["sessions".to_owned()];
        rig.watch.cycle(&due, &rig.baselines).await;
        // Until the first attempt is gone, which only asked for the version.
        let one = format!("select count(*) = 1 from pg_stat_activity where usename = '{ROLE}'");
        while !admin.query_one(&one, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        let cycle = rig.watch.cycle(&due, &rig.baselines).await;
        let rows = rig.rows(reading(&cycle, "sessions").unwrap());
        let definition = &rig.catalog.get("sessions").unwrap().definition;
        let column = |name: &str| rows.column(definition.column(name).unwrap().0);
        let text = |name: &str, row: usize| column(name)?.text(row);
        let number = |name: &str, row: usize| column(name)?.int(row);
        let clients = (0..rows.rows).filter(|row| text("backend_type", *row) == Some("client backend"));
        let (own, others): (Vec<usize>, Vec<usize>) = clients.partition(|row| number("userid", *row) == Some(role));
        let of = |row: &usize| {
            let age = number("xact_age", *row).or(number("query_age", *row));
            (text("state", *row), text("wait_event", *row), number("sessions", *row), age)
        };
        let own: Vec<_> = own.iter().map(of).collect();
        assert_eq!(own, [(Some("idle"), Some("ClientRead"), Some(1), None)], "{major}");
        assert_eq!(others.iter().filter_map(|row| number("sessions", *row)).sum::<i64>(), 1, "{major}: this test's");
    }
}

#[tokio::test]
async fn restarts_are_flagged_and_count_nothing_twice() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    let queryid =
        "select queryid from pg_stat_statements where query like '%as counted%' and query not like '%queryid%'";
    for _ in 0..100 {
        run(&admin, "select 1 as counted").await;
    }
    let queryid: i64 = admin.query_one(queryid, &[]).await.unwrap().get(0);
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    for (how, reason, keeps) in
        [("clean", "restart", true), ("immediate", "restart", true), ("crash", "crash_restart", false)]
    {
        let before = pg.connect("postgres").await.unwrap();
        for _ in 0..3 {
            run(&before, "select 1 as counted").await;
        }
        drop(before);
        match how {
            "clean" => pg.restart(Mode::Fast).await.unwrap(),
            "immediate" => {
                pg.stop_immediate().await.unwrap();
                pg.start_again().await.unwrap();
            }
            _ => pg.crash_backend().await.unwrap(),
        }
        let after = pg.connect("postgres").await.unwrap();
        for _ in 0..2 {
            run(&after, "select 1 as counted").await;
        }
        // The open connection is gone; this or the next cycle opens another one.
        let mut cycle = rig.cycle().await;
        if !errors(&cycle).is_empty() {
            cycle = rig.whole_cycle().await;
        }
        let calls = rig.sums(&cycle, STATEMENTS, "queryid", "calls").get(&queryid).copied();
        assert_eq!(calls, Some(if keeps { 5 } else { 2 }), "{how}");
        assert!(reasons(&cycle, STATEMENTS).contains(&reason), "{how}: {:?}", reasons(&cycle, STATEMENTS));
        let commits = rig.sums(&cycle, "pg_stat_database", "datid", "xact_commit");
        assert!(commits.values().all(|commits| (0..400).contains(commits)), "{how}: {commits:?}");
        let cycle = rig.whole_cycle().await;
        assert_eq!(reasons(&cycle, STATEMENTS), [] as [&str; 0], "{how}: only the one interval");
    }
}

#[tokio::test]
async fn a_promotion_flips_the_role_and_keeps_the_figures() {
    let pair = testkit::replication_pair(PgOptions::default()).await.unwrap();
    make_role(&pair.primary).await;
    let primary = pair.primary.connect("postgres").await.unwrap();
    let at: String = primary.query_one("select pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let standby = pair.standby.connect("postgres").await.unwrap();
    let there = format!("select pg_last_wal_replay_lsn() >= '{at}'");
    while !standby.query_one(&there, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    let role = |cycle: &collector::watch::Cycle| cycle.instance.attributes.clone().unwrap().role;
    let mut first = Rig::new(&pair.primary, ROLE);
    assert_eq!(role(&first.whole_cycle().await), "primary");
    let mut second = Rig::new(&pair.standby, ROLE);
    assert_eq!(role(&second.whole_cycle().await), "standby");
    pair.standby.promote().await.unwrap();
    let cycle = second.whole_cycle().await;
    assert_eq!(role(&cycle), "primary");
    assert!(reading(&cycle, STATEMENTS).unwrap().interval_us.is_some());
    assert_eq!(reasons(&cycle, STATEMENTS), [] as [&str; 0], "a promotion keeps the counters");
}

#[tokio::test]
async fn texts_that_are_not_utf_8_cost_no_figure_and_are_read_elsewhere() {
    // The proposal has its own form on each side of 15.
    let majors = testkit::majors();
    for major in BTreeSet::from([majors[0], majors[majors.len() - 1]]) {
        let pg = Pg::start(PgOptions::major(major).setting("pg_stat_statements.track", "all")).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "create database odd encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0").await;
        let odd = pg.connect("odd").await.unwrap();
        let bytes = "set client_encoding to 'SQL_ASCII'; do $$ begin execute convert_from('\\x73656c65637420312061732022ff22'::bytea, 'SQL_ASCII'); end $$";
        run(&odd, bytes).await;
        drop(odd);
        let broken = admin.query("select query from pg_stat_statements(true)", &[]).await;
        assert_eq!(broken.unwrap_err().code().unwrap().code(), "22021", "else this test shows nothing");
        let mut rig = Rig::new(&pg, ROLE);
        let cycle = rig.cycle().await;
        assert!(reading(&cycle, STATEMENTS).unwrap().error.is_none(), "figures never depend on text");
        let state = cycle.instance.states.iter().find(|state| state.set == "pg_stat_statements_text").unwrap();
        assert_eq!(state.state, State::Degraded as i32, "{state:?}");
        // With the extension in a SQL_ASCII database, found by a new watch at once.
        let (statement, inside) = state.fix.split_once("; -- then, connected to it: ").unwrap();
        run(&admin, statement).await;
        run(&pg.connect("pganalytics_texts").await.unwrap(), inside).await;
        let mut rig = Rig::new(&pg, ROLE);
        let cycle = rig.whole_cycle().await;
        let texts = reading(&cycle, "pg_stat_statements_text").unwrap();
        let (texts, definition) = (rig.rows(texts), &rig.catalog.get("pg_stat_statements_text").unwrap().definition);
        let queries = texts.column(definition.column("query").unwrap().0).unwrap();
        let marked = (0..texts.rows).filter(|row| queries.text(*row).is_some_and(|text| text.contains('\u{fffd}')));
        assert!(marked.count() >= 1, "the odd text is there, marked");
    }
}
#[tokio::test]
async fn an_instance_that_is_away_says_where_it_was_looked_for() {
    let said = async |dsn: String| {
        let dsn = config::dsn::Dsn::parse(&dsn, &config::dsn::Environment::new(&|_| None)).unwrap();
        let connector = collector::connect::Connector::new(dsn);
        let first = connector.connect("postgres").await.unwrap_err().to_string();
        let second = connector.connect("postgres").await.unwrap_err().to_string();
        assert_eq!(first, second, "between two attempts the reason stays the same");
        first
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = said(format!("host=127.0.0.1 port={port} user=m sslmode=disable")).await;
    assert_eq!(refused, format!("connection refused by 127.0.0.1:{port}"));
    let dir = tempfile::tempdir().unwrap();
    let missing = said(format!("host={} port=6000 user=m", dir.path().display())).await;
    assert_eq!(missing, format!("socket {}/.s.PGSQL.6000 does not exist", dir.path().display()));
}

#[tokio::test]
async fn what_loads_the_extension_leaves_what_is_loaded() {
    let options = PgOptions { pg_stat_statements: false, ..PgOptions::default() };
    let options = options.setting("shared_preload_libraries", "auto_explain, pageinspect");
    let pg = Pg::start(options).await.unwrap();
    make_role(&pg).await;
    let fix = Rig::new(&pg, ROLE).fix("pg_stat_statements").await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, fix.split(';').next().unwrap()).await;
    drop(admin);
    pg.restart(Mode::Fast).await.unwrap();
    let admin = pg.connect("postgres").await.unwrap();
    let loaded: String = admin.query_one("show shared_preload_libraries", &[]).await.unwrap().get(0);
    assert_eq!(loaded.replace(' ', ""), "auto_explain,pageinspect,pg_stat_statements", "{fix}");
}
