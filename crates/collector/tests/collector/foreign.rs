//! Names and texts of any encoding or none, in clusters of any encoding.

use collector::watch::Cycle;
use testkit::{Pg, PgOptions};
use wire::{Frame, State};

use crate::rig::{ROLE, Rig, make_role, reading, run};

const TABLES: &str = "pg_stat_all_tables";

fn databases_read(cycles: &[Cycle]) -> usize {
    cycles.iter().filter(|cycle| reading(cycle, TABLES).is_some_and(|reading| reading.error.is_none())).count()
}

pub(crate) fn column(rig: &Rig, cycle: &Cycle, set: &str, column: &str) -> Vec<String> {
    let definition = &rig.catalog.get(set).unwrap().definition;
    let rows: Frame = rig.rows(reading(cycle, set).unwrap_or_else(|| panic!("{set} was read")));
    let values = rows.column(definition.column(column).unwrap().0).unwrap();
    (0..rows.rows).filter_map(|row| values.text(row).map(str::to_owned)).collect()
}

/// How many texts the collector says that it could not read.
fn marked(rig: &Rig, cycle: &Cycle) -> i64 {
    let definition = &rig.catalog.get("collector_sets").unwrap().definition;
    let rows = rig.rows(reading(cycle, "collector_sets").unwrap());
    let texts = rows.column(definition.column("marked_texts").unwrap().0).unwrap();
    (0..rows.rows).filter_map(|row| texts.int(row)).sum()
}

/// A connection to a database in LATIN1: what it is told arrives in UTF-8, and is kept in LATIN1.
async fn latin1(pg: &Pg) -> tokio_postgres::Client {
    pg.connect("latin").await.unwrap()
}

/// Databases, roles, settings and statements with bytes that are no UTF-8, and two databases that have nothing odd.
async fn make_odd(pg: &Pg, main_encoding: &str) {
    if main_encoding != "UTF8" {
        let other = pg.connect("template1").await.unwrap();
        run(&other, "drop database postgres").await;
        run(
            &other,
            &format!(
                "create database postgres encoding '{main_encoding}' lc_collate 'C' lc_ctype 'C' template template0"
            ),
        )
        .await;
    }
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0").await;
    run(&admin, "create database bytes encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0").await;
    run(&admin, "create database shop encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0").await;
    run(&pg.connect("shop").await.unwrap(), "create database \"naïve\" template shop").await;
    let latin = latin1(pg).await;
    run(&latin, "create database \"café\"").await;
    run(&latin, "create database \"dbÿÃ\"").await;
    run(&latin, "create role \"rôle\"").await;
    run(&latin, "create table \"été\" (id int)").await;
    run(&latin, "alter system set log_line_prefix = 'café %m'").await;
    run(&latin, "begin; insert into \"été\" values (1); prepare transaction 'préparé'").await;
    let bytes = "set client_encoding to 'SQL_ASCII';
                 do $$ begin execute convert_from('\\x637265617465207461626c652022c3ff22202829'::bytea, 'SQL_ASCII'); end $$";
    run(&pg.connect("bytes").await.unwrap(), bytes).await;
    pg.reload().unwrap();
    let there = "select current_setting('log_line_prefix') like 'caf%'";
    while !pg.connect("postgres").await.unwrap().query_one(there, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn odd_names_cost_only_themselves() {
    // The oldest and the newest that are here.
    let mut majors = testkit::majors();
    majors.drain(1..majors.len().max(2) - 1);
    for major in majors {
        for main in ["UTF8", "LATIN1", "SQL_ASCII"] {
            let what = format!("{major}, {main}");
            let options = PgOptions::major(major).setting("max_prepared_transactions", "1");
            let pg = Pg::start(options).await.unwrap();
            make_odd(&pg, main).await;
            make_role(&pg).await;
            let admin = pg.connect("postgres").await.unwrap();
            // The statements can be found only beyond the odd names.
            run(&admin, "drop extension if exists pg_stat_statements").await;
            run(&pg.connect("shop").await.unwrap(), "create extension pg_stat_statements").await;
            let asleep = latin1(&pg).await;
            let sleeping = tokio::spawn(async move { asleep.simple_query("select 'cafés', pg_sleep(600)").await });
            let waits = latin1(&pg).await;
            let wait = "begin; lock table \"été\" in share mode";
            let waiting = tokio::spawn(async move { waits.simple_query(wait).await });
            let there = "select count(*) from pg_stat_activity where datname = 'latin' and state = 'active'
                and (wait_event = 'PgSleep' or wait_event_type = 'Lock')";
            while admin.query_one(there, &[]).await.unwrap().get::<_, i64>(0) < 2 {
                tokio::task::yield_now().await;
            }
            let mut rig = Rig::new(&pg, ROLE);
            let cycle = rig.whole_cycle().await;
            assert!(reading(&cycle, "pg_stat_statements").is_some_and(|reading| reading.error.is_none()), "{what}");
            // Read as what they are from a database in LATIN1, and marked from others.
            let shown = if main == "LATIN1" { "café" } else { "caf\u{fffd}" };
            assert!(column(&rig, &cycle, "pg_database", "datname").contains(&shown.to_owned()), "{what}");
            let roles = column(&rig, &cycle, "pg_roles", "rolname");
            assert!(
                roles.contains(&if main == "LATIN1" { "rôle" } else { "r\u{fffd}le" }.to_owned()),
                "{what}: {roles:?}"
            );
            let settings = column(&rig, &cycle, "pg_settings", "setting");
            assert!(settings.contains(&format!("{shown} %m")), "{what}");
            let queries = column(&rig, &cycle, "pg_stat_activity", "query");
            assert!(queries.iter().any(|query| query.contains("pg_sleep")), "{what}: {queries:?}");
            let gid = if main == "LATIN1" { "préparé" } else { "pr\u{fffd}par\u{fffd}" };
            assert_eq!(column(&rig, &cycle, "pg_prepared_xacts", "gid"), [gid], "{what}");
            assert_eq!(column(&rig, &cycle, "lock_waits", "blocker_gid"), [gid], "{what}");
            let waiting_query = column(&rig, &cycle, "lock_waits", "query");
            assert!(waiting_query[0].starts_with("begin; lock table"), "{what}: {waiting_query:?}");
            let cycle = rig.whole_cycle().await;
            assert_eq!(marked(&rig, &cycle) > 0, main != "LATIN1", "{what}: counted");

            let cycles = rig.whole_sweep().await;
            assert_eq!(databases_read(&cycles), 5, "{what}: postgres, latin, bytes, shop, naïve");
            let relations: Vec<String> =
                cycles.iter().flat_map(|cycle| column(&rig, cycle, "pg_class", "relname")).collect();
            for name in ["été", "\u{fffd}\u{fffd}"] {
                assert!(relations.iter().any(|relation| relation == name), "{what}: {name}: {relations:?}");
            }
            // The odd ones are named, with what mends them, and that does.
            let states = rig.states().await;
            let state = states.iter().find(|state| state.set == TABLES && state.column.is_empty()).unwrap();
            assert_eq!(state.state, State::Degraded as i32, "{what}: {state:?}");
            for said in ["Not read in 2 of 7 databases", shown, r"caf\xe9", r"db\xff\xc3", "not UTF-8"] {
                assert!(state.message.contains(said), "{what}: {said}: {}", state.message);
            }
            for new_name in ["cafe", "other"] {
                let fix = rig.fix(TABLES).await.unwrap().replace("new_name", new_name);
                run(&admin, &fix).await;
                rig.sweep().await;
            }
            // Six of the seven may be opened at once, and all on a machine that took its time before.
            assert!(databases_read(&rig.whole_sweep().await) >= 6, "{what}: as many as may be opened at once");
            assert_eq!(rig.fix(TABLES).await, None, "{what}");
            sleeping.abort();
            waiting.abort();
        }
    }
}
