//! A watch that goes on under another configuration: what is as it was is neither asked for nor said again.

use std::sync::Arc;

use collector::watch::Watch;
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use crate::rig::{ROLE, Rig, errors, instance, instance_by, make_role, reading, run};

/// The collector's open connections.
async fn connections(admin: &Client) -> Vec<i32> {
    let sql = "select pid from pg_stat_activity where usename = $1 order by pid";
    admin.query(sql, &[&ROLE]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// The same instance with more lines in its configuration.
fn with(pg: &Pg, more: &str) -> config::Instance {
    let text = format!("[postgres]\ndsn = \"{}\"\n{more}", instance(pg, ROLE).conninfo.expose());
    let names = ["pg_roles", "pg_settings"].map(str::to_owned).to_vec();
    let names = config::Names { sets: names, ..config::Names::default() };
    config::Config::load(None, Some(text), &|_| None, &names).unwrap().instances.remove(0)
}

/// Lets the rig's watch go on under another configuration; the sets that are as they were.
fn change(rig: &mut Rig, instance: config::Instance) -> std::collections::BTreeSet<String> {
    let next = Watch::new(instance, Arc::clone(&rig.catalog), |_| None);
    let before = std::mem::replace(&mut rig.watch, Watch::new(with_nobody(), Arc::clone(&rig.catalog), |_| None));
    let as_before;
    (rig.watch, as_before) = next.going_on(before);
    rig.due(rig.watch.schedule().into_iter().map(|(set, _)| set).collect());
    as_before
}

fn with_nobody() -> config::Instance {
    let text = "[postgres]\ndsn = \"host=/nowhere user=u dbname=d\"\n".to_owned();
    config::Config::load(None, Some(text), &|_| None, &config::Names::default()).unwrap().instances.remove(0)
}

#[tokio::test]
async fn another_configuration_goes_on_from_what_is_known() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, "create database other").await;
    let mut rig = Rig::of(with(&pg, "statement_budget = 0.000001\n[sets.pg_settings]\nenabled = false\n"));
    for _ in 0..2 {
        rig.whole_cycle().await;
        rig.whole_sweep().await;
    }
    rig.watch.weigh();
    assert_eq!(rig.watch.factor("pg_index"), 16);
    rig.whole_cycle().await;
    let open = connections(&admin).await;
    let next = |rig: &Rig| rig.watch.next_database().map(|at| at.duration_since(tokio::time::Instant::now()).as_secs());
    assert!(next(&rig) > Some(10), "{:?}", next(&rig));

    let as_before = change(&mut rig, with(&pg, "statement_budget = 0.000001\n[sets.pg_roles]\nenabled = false\n"));
    assert!(as_before.contains("pg_stat_database") && !as_before.contains("pg_settings"));
    assert_eq!(rig.watch.factor("pg_index"), 16, "what its sets take is known");
    let cycle = rig.whole_cycle().await;
    assert_eq!(connections(&admin).await, open);
    assert!(reading(&cycle, "pg_settings").is_some_and(|reading| reading.rows > 100), "read for the first time");
    assert_eq!(reading(&cycle, "pg_database").map(|reading| reading.rows), Some(0), "said before");
    assert!(reading(&cycle, "pg_stat_database").is_some_and(|reading| reading.interval_us.is_some()));
    let states = &cycle.instance.states;
    assert!(states.iter().any(|state| state.set == "pg_roles" && state.message.contains("off")), "{states:?}");
    let cycles = rig.whole_sweep().await;
    let again: Vec<String> = cycles.iter().flat_map(|cycle| &cycle.readings).map(|read| read.set.clone()).collect();
    assert_eq!(cycles.len(), 2, "asked for by hand: {again:?}");

    change(&mut rig, with(&pg, "statement_budget = 0\n"));
    assert_eq!(rig.watch.factor("pg_index"), 1, "another budget is kept at once");
}

#[tokio::test]
async fn databases_are_not_read_again_for_another_configuration() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    rig.whole_sweep().await;
    change(&mut rig, with(&pg, "[sets.pg_roles]\nenabled = false\n"));
    // The list is made anew, and nothing in it is due.
    assert!(rig.watch.read_database(&rig.baselines).await.is_none());
    let next = rig.watch.next_database().unwrap();
    assert!(next > tokio::time::Instant::now(), "nothing is due");
}

#[tokio::test]
async fn another_connection_string_connects_anew_and_counts_what_hangs() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    let mut rig = Rig::new(&pg, ROLE);
    rig.whole_cycle().await;
    let open = connections(&admin).await;
    // A statement hangs while the configuration changes.
    run(&admin, "begin; lock table pg_catalog.pg_authid").await;
    let mut attempts = 0;
    for n in 0..6 {
        change(&mut rig, instance_by(&pg, ROLE, &format!(" application_name=attempt{n}")));
        let cycle = rig.cycle().await;
        attempts += usize::from(!errors(&cycle).is_empty());
        assert!(rig.watch.connections_in_use() <= collector::connect::MAX_BACKENDS);
    }
    assert_eq!(attempts, 6, "new sessions hang: this test would show nothing");
    run(&admin, "rollback").await;
    let backends = connections(&admin).await;
    assert!(backends.len() <= collector::connect::MAX_BACKENDS, "{backends:?}");
    while connections(&admin).await.iter().any(|pid| open.contains(pid)) {
        tokio::task::yield_now().await;
    }
}
