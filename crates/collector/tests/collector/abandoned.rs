//! Statements that nobody waits for any more: their backends end, and their places come back.

use std::sync::Arc;
use std::time::Duration;

use catalog::SetFiles;
use collector::watch::Watch;
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use crate::rig::{ROLE, Rig, errors, instance, make_role, run};

const SET: &str = "help = \"A number.\"\nscope = \"instance\"\ngroup = \"x_a\"\ninterval = 60\n\
    [[columns]]\nname = \"n\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"It.\"\n";

/// A function that no cancellation ends.
const CATCHES: &str = "create function catches() returns bigint language plpgsql as $$ begin loop begin \
    perform pg_sleep(1000); exception when query_canceled then null; end; end loop; end $$";

/// The backends of the collector that run this function.
async fn running(admin: &Client, function: &str) -> Vec<i32> {
    let sql =
        "select pid from pg_stat_activity where usename = $1 and query like '%' || $2 || '%' and state = 'active'";
    admin.query(sql, &[&ROLE, &function]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Waits until what was asked for is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A rig that reads one set alone, which calls this function.
async fn rig(pg: &Pg, function: &str) -> Rig {
    let mut rig = Rig::new(pg, ROLE);
    let sql = format!("select public.{function}()::bigint as n");
    let files = SetFiles { set: SET.to_owned(), sql: [("12".to_owned(), sql)].into() };
    let catalog = (*rig.catalog).clone().with(files.parse("x_a").unwrap()).unwrap();
    rig.catalog = Arc::new(catalog);
    rig.watch = Watch::new(instance(pg, ROLE), Arc::clone(&rig.catalog), |_| None);
    rig.due(vec!["x_a".to_owned()]);
    rig
}

#[tokio::test]
async fn a_function_that_catches_its_cancellation_is_terminated() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, CATCHES).await;
    let mut rig = rig(&pg, "catches").await;
    let cycle = rig.cycle().await;
    assert_eq!(errors(&cycle), ["x_a: no answer within 10 s"]);
    assert_eq!(rig.watch.connections_in_use(), 1, "it hangs, and is counted");
    assert_eq!(running(&admin, "catches").await.len(), 1, "this test would show nothing");
    until(async || running(&admin, "catches").await.is_empty()).await;
    until(async || rig.watch.connections_in_use() == 0).await;
    rig.due(vec!["pg_stat_database".to_owned()]);
    rig.whole_cycle().await;
}

#[tokio::test]
async fn a_cycle_that_is_given_up_leaves_no_statement_behind() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, CATCHES).await;
    let mut rig = rig(&pg, "catches").await;
    tokio::select! {
        _ = rig.cycle() => panic!("it answered"),
        () = until(async || !running(&admin, "catches").await.is_empty()) => {}
    }
    until(async || running(&admin, "catches").await.is_empty()).await;
    until(async || rig.watch.connections_in_use() == 0).await;
}
