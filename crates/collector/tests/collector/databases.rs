//! Sweeps over the databases of real instances: exact counters, sizes, rights, drops, new lives.

use std::collections::BTreeMap;

use catalog::Kind;
use collector::watch::Cycle;
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;
use wire::{Frame, Reading, State};

use crate::rig::{ROLE, Rig, errors, make_role, reading, run};

const TABLES: &str = "pg_stat_all_tables";
const INDEXES: &str = "pg_stat_all_indexes";
const SIZES: &str = "relation_size";

/// What the sizes of a database's relations take.
pub(crate) async fn grant_sizes(pg: &Pg, database: &str) {
    if pg.major() < 11 {
        // No grant does it.
        let said = testkit::psql(crate::versions::SCRIPT, &pg.dsn(database), &["-v", &format!("role={ROLE}")]);
        return assert_eq!(said.unwrap(), (Some(0), String::new()));
    }
    let client = pg.connect(database).await.unwrap();
    run(&client, &format!("grant execute on function pg_catalog.pg_stat_file(text, boolean) to {ROLE}")).await;
}

async fn oid(client: &Client, relation: &str) -> i64 {
    let sql = format!("select '{relation}'::regclass::oid::int8");
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

async fn datid(client: &Client) -> i64 {
    let sql = "select oid::int8 from pg_database where datname = current_database()";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Statistics reach shared memory when a session ends.
async fn work(pg: &Pg, database: &str, sql: &[&str]) {
    let client = pg.connect(database).await.unwrap();
    for sql in sql {
        run(&client, sql).await;
    }
    let pid: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    drop(client);
    let admin = pg.connect("postgres").await.unwrap();
    let gone = format!("select count(*) = 0 from pg_stat_activity where pid = {pid}");
    while !admin.query_one(&gone, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
}

fn of(cycles: &[Cycle], datid: i64) -> &Cycle {
    let found = cycles.iter().find(|cycle| cycle.datid == Some(datid));
    found.unwrap_or_else(|| panic!("database {datid} is in none of {} cycles", cycles.len()))
}

/// The figures of the row whose first label is `key`, by column.
fn row(rig: &Rig, reading: &Reading, key: i64) -> Option<BTreeMap<String, Option<i64>>> {
    let definition = &rig.catalog.get(&reading.set).unwrap().definition;
    let rows: Frame = rig.rows(reading);
    let row = (0..rows.rows).find(|row| rows.column(0).unwrap().int(*row) == Some(key))?;
    let value = |place: usize| rows.column(place).and_then(|column| column.int(row));
    Some(definition.columns.iter().enumerate().map(|(place, meta)| (meta.name.clone(), value(place))).collect())
}

fn text(rig: &Rig, reading: &Reading, key: i64, column: &str) -> Option<String> {
    let definition = &rig.catalog.get(&reading.set).unwrap().definition;
    let rows: Frame = rig.rows(reading);
    let row = (0..rows.rows).find(|row| rows.column(0).unwrap().int(*row) == Some(key))?;
    rows.column(definition.column(column).unwrap().0)?.text(row).map(str::to_owned)
}

#[tokio::test]
async fn tables_and_indexes_of_each_database_are_counted_exactly() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "create database shop").await;
        for database in ["postgres", "shop"] {
            work(&pg, database, &["create table things (id int primary key, note text)"]).await;
        }
        let mut rig = Rig::new(&pg, ROLE);
        rig.whole_cycle().await;
        let first = rig.sweep().await;
        assert_eq!(first.len(), 2, "{major}: one cycle per database");
        let shop = pg.connect("shop").await.unwrap();
        let (here, there) = (datid(&admin).await, datid(&shop).await);
        let (things, key) = (oid(&shop, "things").await, oid(&shop, "things_pkey").await);
        drop(shop);
        let read = reading(of(&first, there), TABLES).unwrap();
        assert_eq!((read.datid, read.interval_us), (Some(there), None), "{major}: a baseline");
        work(
            &pg,
            "shop",
            &[
                "insert into things select n, 'x' from generate_series(1, 100) as n",
                "update things set note = 'y' where id <= 10",
                "delete from things where id > 95",
                "select count(*) from things",
                "set enable_seqscan = off; set enable_bitmapscan = off; select * from things where id = 7",
            ],
        )
        .await;
        // Up to 14 statistics travel to another process, which may not have them yet.
        let shop = pg.connect("shop").await.unwrap();
        let arrived = "select n_tup_ins = 100 and n_tup_del = 5 and idx_scan > 0 from pg_stat_all_tables
                       where relid = 'things'::regclass";
        while !shop.query_one(arrived, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        let second = rig.sweep().await;
        let tables = reading(of(&second, there), TABLES).unwrap();
        assert!(tables.interval_us.is_some());
        let figures = row(&rig, tables, things).unwrap();
        let figure = |name: &str| figures[name].unwrap_or_else(|| panic!("{major}: {name} is NULL"));
        assert_eq!((figure("n_tup_ins"), figure("n_tup_upd"), figure("n_tup_del")), (100, 10, 5), "{major}");
        assert_eq!((figure("n_live_tup"), figure("n_dead_tup")), (95, 15), "{major}");
        assert!(figure("seq_scan") >= 1 && figure("idx_scan") >= 1 && figure("heap_blks_hit") > 0, "{major}");
        assert!(figure("xid_age") > 0, "{major}");
        let scans = row(&rig, reading(of(&second, there), INDEXES).unwrap(), key).unwrap();
        assert_eq!(scans["idx_scan"], Some(figure("idx_scan")), "{major}: the only index");
        assert_eq!(scans["relid"], Some(things));
        // The other database's table of this name did not move.
        let other = oid(&admin, "things").await;
        let quiet = row(&rig, reading(of(&second, here), TABLES).unwrap(), other).unwrap();
        assert_eq!((quiet["n_tup_ins"], quiet["seq_scan"]), (Some(0), Some(0)), "{major}");
        // Names came with the first visit, and come again only when they change.
        let names = reading(of(&first, there), "pg_class").unwrap();
        assert_eq!(text(&rig, names, things, "relname").as_deref(), Some("things"));
        assert_eq!(reading(of(&second, there), "pg_class").unwrap().rows, 0, "{major}");
        let index = reading(of(&first, there), "pg_index").unwrap();
        assert_eq!(text(&rig, index, key, "columns").as_deref(), Some("id"));
        // Without the grant there are no sizes, and it is said what gives them.
        assert!(reading(of(&first, there), SIZES).is_none());
        let cycle = rig.cycle().await;
        let state = cycle.instance.states.iter().find(|state| state.set == SIZES && state.column.is_empty()).unwrap();
        assert_eq!(state.state, State::Missing as i32, "{major}: {state:?}");
        let fix = match major {
            10 => "psql -X -v role=monitor -d ",
            _ => "grant execute on function pg_catalog.pg_stat_file(text, boolean) to monitor;",
        };
        assert!(state.fix.starts_with(fix), "{major}: {}", state.fix);
        assert!(state.message.contains("2 of 2 databases"), "{}", state.message);
    }
}

/// What all databases count as rolled back, one transaction of this function's own included: its arrival shows that
/// what ended before it has arrived, too.
async fn rolled_back(pg: &Pg, admin: &Client) -> i64 {
    let counted = async || -> i64 {
        let sql = "select sum(xact_rollback)::int8 from pg_stat_database";
        admin.query_one(sql, &[]).await.unwrap().get(0)
    };
    let before = counted().await;
    work(pg, "postgres", &["begin; select 1; rollback"]).await;
    loop {
        let now = counted().await;
        if now > before {
            return now;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn reading_counts_no_transaction_as_rolled_back() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "drop extension pg_stat_statements").await;
        run(&admin, "create database shop").await;
        let shop = pg.connect("shop").await.unwrap();
        run(&shop, "create extension pg_stat_statements").await;
        drop(shop);
        for database in ["postgres", "shop"] {
            grant_sizes(&pg, database).await;
        }
        let before = rolled_back(&pg, &admin).await;
        let mut rig = Rig::new(&pg, ROLE);
        for _ in 0..3 {
            assert!(reading(&rig.whole_cycle().await, "pg_settings").is_some());
            assert_eq!(rig.whole_sweep().await.len(), 2);
        }
        // What a session did is counted when it ends at the latest.
        drop(rig);
        let gone = format!("select not exists (select from pg_stat_activity where usename = '{ROLE}')");
        while !admin.query_one(&gone, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        assert_eq!(rolled_back(&pg, &admin).await, before + 1, "{major}: the one of this test");
    }
}

#[tokio::test]
async fn sizes_are_those_that_postgresql_counts_with_locks() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(
            &admin,
            "create table wide (id int primary key, note text);
             alter table wide alter column note set storage external;
             insert into wide select n, repeat('x', 5000) from generate_series(1, 500) as n;
             create index on wide (md5(note));
             create unlogged table quick (id int primary key);
             insert into quick select generate_series(1, 10000);
             create materialized view seen as select * from quick;
             create table parted (id int) partition by range (id);
             create table part partition of parted for values from (0) to (9);
             create temporary table mine (id int)",
        )
        .await;
        run(&admin, "vacuum analyze").await;
        run(&admin, "checkpoint").await;
        grant_sizes(&pg, "postgres").await;
        let mut rig = Rig::new(&pg, ROLE);
        let cycles = rig.whole_sweep().await;
        let sizes = reading(&cycles[0], SIZES).unwrap();
        let truth = "select c.oid::int8, c.relname::text, c.relkind::text, pg_total_relation_size(c.oid)
                     from pg_class c join pg_namespace n on n.oid = c.relnamespace
                     where (c.relkind in ('r', 'm') or c.relkind = 'i' and n.nspname <> 'pg_toast')
                       and not c.relisshared and c.relpersistence <> 't'";
        let truth = admin.query(truth, &[]).await.unwrap();
        assert_eq!(truth.len(), sizes.rows as usize, "{major}");
        let (mut toast, mut indexes) = (0, 0);
        for known in truth {
            let (oid, name, kind): (i64, String, String) = (known.get(0), known.get(1), known.get(2));
            let size = row(&rig, sizes, oid).unwrap_or_else(|| panic!("{major}: no size of {name}"));
            let total: i64 =
                size.iter().filter(|(name, _)| name.ends_with("_bytes")).filter_map(|(_, size)| *size).sum();
            assert_eq!(total, known.get::<_, i64>(3), "{major}: {name} ({kind}): {size:?}");
            if name == "wide" {
                (toast, indexes) = (size["toast_bytes"].unwrap(), size["indexes_bytes"].unwrap());
            }
        }
        assert!(toast > 2_000_000 && indexes > 0, "{major}: {toast} {indexes}: this test shows too little");
    }
}

#[tokio::test]
async fn a_database_that_vanishes_in_mid_sweep_stops_nothing() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    for name in ["first", "second", "third"] {
        run(&admin, &format!("create database {name}")).await;
        work(&pg, name, &["create table things (id int)"]).await;
    }
    run(&admin, "create database closed connection limit 0").await;
    let second = pg.connect("second").await.unwrap();
    let gone = datid(&second).await;
    drop(second);
    let mut rig = Rig::new(&pg, ROLE);
    let baselines = rig.baselines.clone();
    // The list is made with the first visit; what happens then is not on it.
    let first = rig.watch.read_database(&baselines).await.unwrap();
    assert_eq!(errors(&first), [] as [String; 0]);
    let mut cycles = vec![first];
    run(&admin, "drop database second with (force)").await;
    while rig.watch.next_database().is_some_and(|next| next <= tokio::time::Instant::now()) {
        cycles.extend(rig.watch.read_database(&baselines).await);
    }
    let mut seen: Vec<Option<i64>> = cycles.iter().map(|cycle| cycle.datid).collect();
    seen.sort();
    seen.dedup();
    let failed: Vec<&Cycle> = cycles.iter().filter(|cycle| !errors(cycle).is_empty()).collect();
    if cycles[0].datid == Some(gone) {
        assert!(failed.is_empty(), "it was read before it was dropped");
    } else {
        assert_eq!(failed.len(), 1, "{:?}", failed.iter().map(|cycle| errors(cycle)).collect::<Vec<_>>());
        assert_eq!(failed[0].datid, Some(gone), "an error of that database only");
        assert!(errors(failed[0])[0].contains("second"), "{:?}", errors(failed[0]));
    }
    assert_eq!(seen.len(), 4, "postgres, first, second, third; closed is not tried");
    // Once it is known to be gone nobody speaks of it any more.
    let again = rig.whole_sweep().await;
    assert_eq!(again.len(), 3);
    let cycle = rig.cycle().await;
    let state = cycle.instance.states.iter().find(|state| state.set == TABLES).unwrap();
    assert_eq!(state.state, State::Works as i32, "{state:?}");
}

#[tokio::test]
async fn a_database_that_is_renamed_in_mid_sweep_is_the_same_one() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    for name in ["first", "second", "third"] {
        run(&admin, &format!("create database {name}")).await;
        work(&pg, name, &["create table things (id int)"]).await;
    }
    let second = datid(&pg.connect("second").await.unwrap()).await;
    let mut rig = Rig::new(&pg, ROLE);
    let mut cycles = vec![rig.watch.read_database(&rig.baselines.clone()).await.unwrap()];
    // One that is read keeps nobody from renaming it for longer than that takes.
    let rename = "alter database second rename to \"Zweite 🐘\"";
    while admin.execute(rename, &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
    while rig.watch.next_database().is_some_and(|next| next <= tokio::time::Instant::now()) {
        cycles.extend(rig.watch.read_database(&rig.baselines.clone()).await);
    }
    // By its old name it is not found, if it was not read before; nothing else is touched by that.
    let failed: Vec<Option<i64>> =
        cycles.iter().filter(|cycle| !errors(cycle).is_empty()).map(|cycle| cycle.datid).collect();
    assert!(failed.iter().all(|datid| *datid == Some(second)), "{failed:?}");
    // The next round knows its name, and it is the same database.
    let again = rig.whole_sweep().await;
    assert!(again.iter().any(|cycle| cycle.datid == Some(second)), "it is read under its new name");
    assert_eq!(again.len(), 4);
}

#[tokio::test]
async fn infos_of_a_dropped_database_end() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "create database shop").await;
    work(&pg, "shop", &["create table things (id int primary key)"]).await;
    let shop = pg.connect("shop").await.unwrap();
    let gone = datid(&shop).await;
    drop(shop);
    let mut rig = Rig::new(&pg, ROLE);
    let known = rig.sweep().await;
    let named = reading(of(&known, gone), "pg_class").unwrap().rows;
    assert!(named > 0);
    run(&admin, "drop database shop with (force)").await;
    let after = rig.sweep().await;
    let last = reading(of(&after, gone), "pg_class").unwrap();
    assert_eq!((last.rows, last.removed.len()), (named, named as usize), "all of them are removed");
    assert_eq!(reading(of(&after, gone), TABLES).unwrap().rows, 0);
    let later = rig.sweep().await;
    assert!(later.iter().all(|cycle| cycle.datid != Some(gone)), "once");
}

#[tokio::test]
async fn a_table_that_is_made_again_is_another_one() {
    let pg = Pg::start(PgOptions::default().setting("autovacuum", "off")).await.unwrap();
    make_role(&pg).await;
    work(&pg, "postgres", &["create table things (id int)", "insert into things select generate_series(1, 50)"]).await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.sweep().await;
    let admin = pg.connect("postgres").await.unwrap();
    let before = oid(&admin, "things").await;
    work(
        &pg,
        "postgres",
        &["drop table things", "create table things (id int)", "insert into things select generate_series(1, 7)"],
    )
    .await;
    let after = oid(&admin, "things").await;
    assert_ne!(before, after);
    let cycles = rig.sweep().await;
    let tables = reading(&cycles[0], TABLES).unwrap();
    assert_eq!(row(&rig, tables, before), None);
    assert_eq!(row(&rig, tables, after).unwrap()["n_tup_ins"], Some(7), "from zero, not from 50");
    assert!(tables.flags.is_empty(), "nothing is missing: {:?}", tables.flags);
    let names = reading(&cycles[0], "pg_class").unwrap();
    let removed: Vec<i64> =
        names.removed.iter().map(|row| rig.rows(names).column(0).unwrap().int(*row as usize).unwrap()).collect();
    assert_eq!(removed, [before]);
    assert_eq!(text(&rig, names, after, "relname").as_deref(), Some("things"));
}

#[tokio::test]
async fn a_standby_tells_what_it_knows_and_why_not_the_rest() {
    let pair = testkit::replication_pair(PgOptions::default()).await.unwrap();
    make_role(&pair.primary).await;
    let primary = pair.primary.connect("postgres").await.unwrap();
    grant_sizes(&pair.primary, "postgres").await;
    run(&primary, "create table things as select generate_series(1, 1000) as id").await;
    let at: String = primary.query_one("select pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let standby = pair.standby.connect("postgres").await.unwrap();
    let there = format!("select pg_last_wal_replay_lsn() >= '{at}'");
    while !standby.query_one(&there, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    let things = oid(&primary, "things").await;
    let mut rig = Rig::new(&pair.standby, ROLE);
    let cycle = rig.whole_cycle().await;
    rig.whole_sweep().await;
    work(&pair.standby, "postgres", &["select count(*) from things"]).await;
    let cycles = rig.whole_sweep().await;
    let table = row(&rig, reading(&cycles[0], TABLES).unwrap(), things).unwrap();
    assert_eq!((table["seq_scan"], table["n_live_tup"], table["n_tup_ins"]), (Some(1), None, None));
    let size = row(&rig, reading(&cycles[0], SIZES).unwrap(), things).unwrap();
    assert!(size["main_bytes"].unwrap() > 0);
    for column in ["n_live_tup", "last_analyze"] {
        let said = cycle.instance.states.iter().find(|state| state.set == TABLES && state.column == column).unwrap();
        assert_eq!(said.message, "Known on a primary only.", "{column}");
    }
}

#[tokio::test]
async fn equal_indexes_have_equal_signatures_and_others_do_not() {
    for major in testkit::majors() {
        let wider = if major >= 11 { "(a) include (b)" } else { "(a, b)" };
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        run(
            &admin,
            &format!(
                "create table things (id int primary key, a int, b text);
             create table others (id int references things);
             create index one on things (a, lower(b));
             create index two on things     (a,   lower(b));
             create index condition on things (a, lower(b)) where a > 3;
             create index backwards on things (a desc, lower(b));
             create index pattern on things (a, lower(b) text_pattern_ops);
             create index wider on things {wider};
             create index hashed on things using hash (a);
             create unique index \"Odd name\" on things (a)"
            ),
        )
        .await;
        let mut rig = Rig::new(&pg, ROLE);
        let cycles = rig.sweep().await;
        let infos = reading(&cycles[0], "pg_index").unwrap();
        let mut signatures = BTreeMap::new();
        for name in ["one", "two", "condition", "backwards", "pattern", "wider", "hashed", "\"Odd name\""] {
            let info = row(&rig, infos, oid(&admin, name).await).unwrap();
            signatures.entry(info["signature"].unwrap()).or_insert_with(Vec::new).push(name);
        }
        let same: Vec<_> = signatures.values().filter(|names| names.len() > 1).collect();
        assert_eq!(same, [&vec!["one", "two"]], "{major}");
        let columns = |oid: i64, column: &str| text(&rig, infos, oid, column);
        let backwards = oid(&admin, "backwards").await;
        assert_eq!(columns(backwards, "columns").as_deref(), Some("a desc, (expression)"), "{major}");
        let wider = oid(&admin, "wider").await;
        assert_eq!(columns(wider, "included").as_deref(), (major >= 11).then_some("b"), "{major}");
        let key = oid(&admin, "things_pkey").await;
        let (rows, definition) = (rig.rows(infos), &rig.catalog.get("pg_index").unwrap().definition);
        let at = (0..rows.rows).find(|row| rows.column(0).unwrap().int(*row) == Some(key)).unwrap();
        let yes = |column: &str| rows.column(definition.column(column).unwrap().0).unwrap().bool(at);
        assert_eq!((yes("is_primary"), yes("is_referenced"), yes("is_valid")), (Some(true), Some(true), Some(true)));
        assert_eq!(definition.columns[0].kind, Kind::Label);
    }
}
