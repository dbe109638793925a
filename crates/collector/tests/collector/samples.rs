//! Sessions that are sampled between the readings of a real instance: each is found as often as samples were taken, and a
//! sample that could not be taken is missed.

use std::collections::BTreeMap;

use collector::watch::Cycle;
use futures_util::FutureExt as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Mode, Pg, PgOptions};
use tokio_postgres::Client;
use wire::Frame;

use crate::rig::{ROLE, Rig, errors, make_role, reading, run};

const SET: &str = "session_samples";
const COUNTS: &str = "session_sampling";

/// A rig that reads this set, and what the collector takes.
async fn rig(pg: &Pg) -> Rig {
    make_role(pg).await;
    let mut rig = Rig::new(pg, ROLE);
    rig.due(vec![SET.to_owned(), collector::own::SETS.to_owned()]);
    rig
}

/// Waits until the next sample is due.
async fn until_due(rig: &Rig) {
    tokio::time::sleep_until(rig.watch.next_sample().unwrap()).await;
}

async fn sample(rig: &mut Rig, times: usize) {
    for _ in 0..times {
        until_due(rig).await;
        rig.watch.sample().await;
    }
}

/// How many samples a reading says were taken, and how many were missed.
fn counts(rig: &Rig, cycle: &Cycle) -> (i64, i64) {
    let reading = reading(cycle, COUNTS).unwrap();
    let (rows, definition) = (rig.rows(reading), &rig.catalog.get(COUNTS).unwrap().definition);
    assert_eq!(rows.rows, 1);
    let count = |name: &str| rows.column(definition.column(name).unwrap().0).unwrap().int(0).unwrap();
    (count("taken"), count("missed"))
}

/// Samples by application, state and wait.
fn found(rig: &Rig, cycle: &Cycle) -> BTreeMap<[String; 3], i64> {
    let reading = reading(cycle, SET).unwrap();
    let counts = self::reading(cycle, COUNTS).unwrap();
    assert_eq!((reading.time_us, reading.interval_us), (counts.time_us, counts.interval_us), "of one time");
    let (rows, definition) = (rig.rows(reading), &rig.catalog.get(SET).unwrap().definition);
    let column = |name: &str| rows.column(definition.column(name).unwrap().0).unwrap();
    let mut found = BTreeMap::new();
    for row in 0..rows.rows {
        let text = |name: &str| column(name).text(row).unwrap().to_owned();
        let key = [text("application_name"), text("state"), text("wait_event_type")];
        *found.entry(key).or_default() += column("samples").int(row).unwrap();
    }
    found
}

fn of(found: &BTreeMap<[String; 3], i64>, key: [&str; 3]) -> i64 {
    found.get(&key.map(str::to_owned)).copied().unwrap_or(0)
}

/// A session under a name of its own.
async fn named(pg: &Pg, name: &str) -> Client {
    let client = pg.connect("postgres").await.unwrap();
    run(&client, &format!("set application_name = '{name}'")).await;
    client
}

/// Comes back when sessions of this name satisfy a condition.
async fn until(admin: &Client, name: &str, condition: &str) {
    let sql = format!("select count(*) from pg_stat_activity where application_name = '{name}' and {condition}");
    while admin.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
}

/// The process id of the collector's session.
async fn collector(admin: &Client) -> i32 {
    let sql = format!("select pid from pg_stat_activity where usename = '{ROLE}'");
    admin.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_session_is_in_every_sample_that_was_taken_while_it_worked() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
        let admin = pg.connect("postgres").await.unwrap();
        run(&admin, "create table held (id int)").await;
        let (sleeper, holder, waiter) =
            (named(&pg, "sleeper").await, named(&pg, "holder").await, named(&pg, "waiter").await);
        let _idle = named(&pg, "idler").await;
        run(&holder, "begin; lock table held").await;
        let sleeping = tokio::spawn(async move { sleeper.execute("select pg_sleep(3600)", &[]).await });
        let waiting = tokio::spawn(async move { waiter.execute("select from held", &[]).await });
        until(&admin, "sleeper", "state = 'active'").await;
        let has_wait = if major >= 10 { "wait_event_type = 'Lock'" } else { "state = 'active'" };
        until(&admin, "waiter", has_wait).await;
        let mut rig = rig(&pg).await;
        // What was not sampled yet is sampled by the reading.
        let first = rig.whole_cycle().await;
        assert_eq!(counts(&rig, &first), (1, 0), "{major}");
        assert_eq!(of(&found(&rig, &first), ["holder", "idle in transaction", "Client"]), 1, "{major}");
        sample(&mut rig, 3).await;
        let cycle = rig.whole_cycle().await;
        let (taken, _) = counts(&rig, &cycle);
        assert_eq!(taken, 3, "{major}");
        let expected = [
            (["sleeper", "active", "Timeout"], taken),
            (["holder", "idle in transaction", "Client"], taken),
            (["waiter", "active", "Lock"], taken),
        ];
        let expected = expected.map(|(key, samples)| (key.map(str::to_owned), samples));
        let mut found = found(&rig, &cycle);
        // Whoever else worked is no session of this test.
        found.retain(|[name, ..], _| !name.is_empty());
        assert_eq!(found, BTreeMap::from(expected), "{major}: no idle session, and not the collector's own");
        let read = reading(&cycle, SET).unwrap();
        assert!(read.interval_us.is_some() && read.flags.is_empty(), "{major}");
        assert!(rig.own(&cycle, "statement_time")[SET] > 0, "{major}: what the samples took");
        let queryids = ids(&rig.rows(read), &rig);
        assert_eq!(queryids.iter().any(|id| *id != 0), major >= 14, "{major}: {queryids:?}");
        sleeping.abort();
        waiting.abort();
    }
}

fn ids(rows: &Frame, rig: &Rig) -> Vec<i64> {
    let (place, _) = rig.catalog.get(SET).unwrap().definition.column("queryid").unwrap();
    (0..rows.rows).filter_map(|row| rows.column(place)?.int(row)).collect()
}

#[tokio::test]
async fn a_sample_without_an_answer_is_missed_and_nothing_is_asked_behind_it() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let mut rig = rig(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    rig.whole_cycle().await;
    sample(&mut rig, 1).await;
    let backend = Pid::from_raw(collector(&admin).await);
    kill(backend, Signal::SIGSTOP).unwrap();
    until_due(&rig).await;
    assert!(rig.watch.sample().now_or_never().is_none(), "whoever has something else to do drops it");
    until_due(&rig).await;
    assert!(rig.watch.sample().now_or_never().is_some(), "nothing is asked");
    kill(backend, Signal::SIGCONT).unwrap();
    let cycle = rig.whole_cycle().await;
    let (taken, missed) = counts(&rig, &cycle);
    assert_eq!(taken, 1);
    assert!(missed >= 2, "{missed}");
    // The cycle was answered, and so was what was asked before it.
    sample(&mut rig, 1).await;
    let cycle = rig.whole_cycle().await;
    assert_eq!(counts(&rig, &cycle).0, 1);
}

#[tokio::test]
async fn seconds_that_went_by_without_a_sample_are_missed() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let mut rig = rig(&pg).await;
    rig.whole_cycle().await;
    // Somebody else has the turn until the second of the next sample is over, and two more.
    let next = rig.watch.next_sample().unwrap();
    tokio::time::sleep_until(next + std::time::Duration::from_secs(3)).await;
    let cycle = rig.whole_cycle().await;
    let (taken, missed) = counts(&rig, &cycle);
    // What was missed is not idle, and whoever reads without sampling in between sees one sample.
    assert!(taken == 1 && missed >= 3, "{taken} {missed}");
}

#[tokio::test]
async fn what_was_sampled_before_a_crash_is_told() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let mut rig = rig(&pg).await;
    rig.whole_cycle().await;
    sample(&mut rig, 2).await;
    pg.stop(Mode::Immediate).await.unwrap();
    let cycle = rig.cycle().await;
    assert!(cycle.instance.error.is_some());
    assert_eq!((counts(&rig, &cycle).0, reading(&cycle, SET).unwrap().error.as_deref()), (2, None));
    sample(&mut rig, 2).await;
    let cycle = rig.cycle().await;
    let (taken, missed) = counts(&rig, &cycle);
    assert!(taken == 0 && missed >= 2, "{taken} {missed}");
    assert!(reading(&cycle, SET).unwrap().error.is_some());
    pg.start_again().await.unwrap();
    // The pause after a failed attempt goes by meanwhile.
    let cycle = loop {
        until_due(&rig).await;
        let cycle = rig.cycle().await;
        if cycle.instance.error.is_none() {
            break cycle;
        }
    };
    assert_eq!(errors(&cycle), [] as [String; 0]);
    sample(&mut rig, 1).await;
    let cycle = rig.whole_cycle().await;
    assert_eq!(counts(&rig, &cycle).0, 1);
    found(&rig, &cycle);
}

#[tokio::test]
async fn without_the_privilege_nothing_is_sampled() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let mut rig = rig(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, &format!("revoke pg_monitor from {ROLE}")).await;
    let cycle = rig.cycle().await;
    assert!(reading(&cycle, SET).is_none() && reading(&cycle, COUNTS).is_none());
    assert_eq!(rig.watch.next_sample(), None);
    run(&admin, &format!("grant pg_monitor to {ROLE}")).await;
    rig.cycle().await;
    assert!(rig.watch.next_sample().is_some());
}
