//! Where PostgreSQL itself forgets: never negative, never above what happened, flagged wherever it can be known, and
//! exact outside of that interval.

use jiff::{SignedDuration, Timestamp};
use testkit::{Mode, PgOptions};

use crate::statements::statement;
use crate::world::{Ledger, World, assert_exact, assert_lower_bound, between};

/// Runs each of some statements a few times as one user in one database.
async fn run(world: &World, from: usize, to: usize, times: usize) {
    let client = world.connect("app_a", "one").await;
    for _ in 0..times {
        for n in from..to {
            client.simple_query(&statement(n)).await.unwrap();
        }
    }
}

/// Work with nothing lost, and what the API says of its time.
async fn exact_phase(world: &World, from: usize, to: usize) {
    world.settle().await;
    let start = Timestamp::now();
    let before = world.truth().await;
    run(world, from, to, 2).await;
    let after = world.truth().await;
    world.settle().await;
    let stored = world.stored(start, Timestamp::now()).await;
    assert_exact(&stored, &between(&before, &after));
}

/// Adds what happened in a part of a phase.
fn add(sum: &mut Ledger, part: &Ledger) {
    for (key, work) in part {
        let entry = sum.entry(key.clone()).or_default();
        entry.calls += work.calls;
        entry.rows += work.rows;
        entry.time_us += work.time_us;
    }
}

/// Work, then `event`, then work; gives the phase's limits and everything that happened in it.
async fn around(world: &World, event: impl AsyncFn(&World)) -> (Timestamp, Timestamp, Ledger) {
    world.settle().await;
    let start = Timestamp::now();
    let mut happened = Ledger::new();
    let before = world.truth().await;
    run(world, 0, 50, 3).await;
    add(&mut happened, &between(&before, &world.truth().await));
    event(world).await;
    let before = world.truth().await;
    run(world, 25, 75, 2).await;
    add(&mut happened, &between(&before, &world.truth().await));
    world.settle().await;
    (start, Timestamp::now(), happened)
}

async fn expect(world: &World, event: impl AsyncFn(&World), reasons: &[&str]) {
    exact_phase(world, 0, 40).await;
    let (start, end, happened) = around(world, event).await;
    assert_lower_bound(&world.stored(start, end).await, &happened);
    let flags = world.flags(start, end).await;
    assert!(reasons.iter().any(|reason| flags.iter().any(|flag| flag == reason)), "{reasons:?} not in {flags:?}");
    exact_phase(world, 30, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_are_flagged_and_never_counted_twice() {
    let world = World::start(PgOptions::default()).await;
    let reset_all = async |world: &World| {
        let admin = world.pg.connect("postgres").await.unwrap();
        admin.execute("select pg_stat_statements_reset()", &[]).await.unwrap();
    };
    expect(&world, reset_all, &["reset"]).await;
    let reset_one = async |world: &World| {
        let admin = world.pg.connect("postgres").await.unwrap();
        admin
            .execute(
                "select pg_stat_statements_reset(s.userid, s.dbid, s.queryid)
                 from (select userid, dbid, queryid from pg_stat_statements s
                       join pg_roles r on r.oid = s.userid where r.rolname = 'app_a' order by calls desc limit 1) s",
                &[],
            )
            .await
            .unwrap();
        // Read before it has come back: its disappearance is what can be known.
        world.settle().await;
    };
    expect(&world, reset_one, &["entry_reset"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evictions_are_flagged() {
    let world = World::start(PgOptions::default().setting("pg_stat_statements.max", "200")).await;
    let evict = async |world: &World| run(world, 100, 600, 1).await;
    let (start, end, _) = around(&world, evict).await;
    // Snapshots cannot see what was evicted between them, so what ran is what is compared with.
    let stored = world.stored(start, end).await;
    let calls: i64 = stored.values().map(|work| work.calls).sum();
    assert!(stored.values().all(|work| work.calls > 0 && work.rows >= 0 && work.time_us >= 0.0));
    assert!(calls <= 50 * 3 + 500 + 50 * 2, "{calls} calls are stored");
    let flags = world.flags(start, end).await;
    assert!(flags.iter().any(|flag| flag == "evicted"), "{flags:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_immediate_stop_and_a_crash_are_flagged() {
    let world = World::start(PgOptions::default()).await;
    let immediate = async |world: &World| {
        world.pg.restart(Mode::Immediate).await.unwrap();
        world.settle().await;
    };
    expect(&world, immediate, &["restart", "crash_restart"]).await;
    let crash = async |world: &World| {
        world.pg.crash_backend().await.unwrap();
        world.settle().await;
    };
    expect(&world, crash, &["crash_restart"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_of_one_table_makes_no_jump_in_its_database() {
    let world = World::start(PgOptions::default()).await;
    let client = world.pg.connect("one").await.unwrap();
    client.simple_query("create table counted as select generate_series(1, 50000) as n").await.unwrap();
    let inserted = "select tup_inserted from pg_stat_database where datname = 'one'";
    // A session's own counters are reported when it ends, at the latest.
    drop(client);
    let client = world.pg.connect("one").await.unwrap();
    world.settle().await;
    world.settle().await;
    let start = Timestamp::now();
    let before: i64 = client.query_one(inserted, &[]).await.unwrap().get(0);
    assert!(before >= 50_000, "{before} rows are counted before the reset");
    client.execute("select pg_stat_reset_single_table_counters('counted'::regclass)", &[]).await.unwrap();
    world.settle().await;
    world.settle().await;
    let after: i64 = client.query_one(inserted, &[]).await.unwrap().get(0);
    let answer = world.get(&format!("/instances/{}/databases?start={start}", world.instance)).await.unwrap();
    let row = answer["data"].as_array().unwrap().iter().find(|row| row["name"] == "one").unwrap();
    let stored = row["tup_inserted"].as_f64().unwrap();
    assert!(stored >= 0.0 && stored <= (after - before) as f64, "{stored} stored, {before} to {after} happened");
}

#[tokio::test]
async fn a_clock_that_is_off_and_steps_loses_nothing() {
    let start = Timestamp::now();
    let mut world = World::start(PgOptions::default()).await;
    let before = world.truth().await;
    world.kill_collector();
    world.set_clock(7230);
    world.start_collector();
    run(&world, 0, 40, 2).await;
    world.settle().await;
    world
        .until("the skew is told", async |world| {
            let reasons = world.listed("main").await?["reasons"].to_string();
            reasons.contains("The collector's clock is 2 h").then_some(())
        })
        .await;
    // It is set while the collector runs.
    for seconds in [300, -200] {
        world.set_clock(seconds);
        run(&world, 20, 60, 2).await;
        world.settle().await;
    }
    // And again while the server is away and the process is started anew: a backlog of two clocks.
    world.kill_server();
    run(&world, 40, 80, 2).await;
    world.kill_collector();
    world.set_clock(3600);
    world.start_collector();
    run(&world, 60, 99, 1).await;
    world.start_server().await;
    world.settle().await;
    let after = world.truth().await;
    world.settle().await;
    // What a push takes makes its rows later by as much, until one was faster.
    let end = Timestamp::now() + SignedDuration::from_mins(1);
    assert_exact(&world.stored(start, end).await, &between(&before, &after));
    let health = world.delivery().await;
    assert_eq!((&health["rejected_rows"], &health["discarded"]), (&0.into(), &serde_json::json!([])), "{health}");
}
