//! A primary and its standby, each watched: lag, slots, promotion, and the ages that lead to wraparound.

use std::collections::BTreeMap;

use testkit::{Mode, Pair, PgOptions};
use wire::Frame;

use crate::rig::{ROLE, Rig, make_role, reading, run};

const RECEIVER: &str = "pg_stat_wal_receiver";

struct Watched {
    pair: Pair,
    primary: Rig,
    standby: Rig,
}

async fn watched() -> Watched {
    let pair = testkit::replication_pair(PgOptions::default()).await.unwrap();
    make_role(&pair.primary).await;
    caught_up(&pair).await;
    let (primary, standby) = (Rig::new(&pair.primary, ROLE), Rig::new(&pair.standby, ROLE));
    Watched { pair, primary, standby }
}

/// Waits until the standby has replayed what the primary has written by now; the runner's limit ends it.
async fn caught_up(pair: &Pair) {
    let primary = pair.primary.connect("postgres").await.unwrap();
    let written: String = primary.query_one("select pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    until(pair, &format!("select pg_last_wal_replay_lsn() >= '{written}'")).await;
}

async fn until(pair: &Pair, condition: &str) {
    let standby = pair.standby.connect("postgres").await.unwrap();
    while !standby.query_one(condition, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
}

/// A column of the only row, true as 1; `None` for NULL.
fn value(rig: &Rig, set: &str, frame: &Frame, column: &str) -> Option<i64> {
    assert_eq!(frame.rows, 1, "{set}");
    let place = rig.catalog.get(set).unwrap().definition.column(column).unwrap().0;
    frame.column(place).and_then(|column| column.int(0).or_else(|| column.bool(0).map(i64::from)))
}

#[tokio::test]
async fn a_standby_lags_while_replay_is_paused_and_is_idle_when_all_is_replayed() {
    let Watched { pair, mut standby, .. } = watched().await;
    let lags = async |standby: &mut Rig| {
        let cycle = standby.whole_cycle().await;
        let rows = standby.rows(reading(&cycle, RECEIVER).unwrap());
        let of = |column: &str| value(standby, RECEIVER, &rows, column);
        (of("not_replayed_bytes").unwrap(), of("replay_lag").unwrap(), of("received_lsn").unwrap())
    };
    let (bytes, lag, received) = lags(&mut standby).await;
    assert_eq!((bytes, lag), (0, 0), "it has replayed all that it received");

    let (primary, replaying) =
        (pair.primary.connect("postgres").await.unwrap(), pair.standby.connect("postgres").await.unwrap());
    run(&replaying, "select pg_wal_replay_pause()").await;
    run(&primary, "create table written as select generate_series(1, 10000) as n").await;
    until(&pair, "select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() + 100000").await;
    let first = lags(&mut standby).await;
    assert!(first.0 > 100_000 && first.1 > 0 && first.2 > received, "{first:?}");
    let second = lags(&mut standby).await;
    assert!(second.1 > first.1, "the lag grows while replay is paused: {first:?} {second:?}");

    run(&replaying, "select pg_wal_replay_resume()").await;
    caught_up(&pair).await;
    until(&pair, "select pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()").await;
    let (bytes, lag, _) = lags(&mut standby).await;
    assert_eq!((bytes, lag), (0, 0));
}

#[tokio::test]
async fn a_slot_keeps_wal_while_its_standby_is_away() {
    let Watched { pair, mut primary, .. } = watched().await;
    let writer = pair.primary.connect("postgres").await.unwrap();
    let retained = async |primary: &mut Rig| {
        let cycle = primary.whole_cycle().await;
        let rows = primary.rows(reading(&cycle, "pg_replication_slots").unwrap());
        let of = |column: &str| value(primary, "pg_replication_slots", &rows, column);
        (of("retained_bytes").unwrap(), of("active").unwrap())
    };
    pair.standby.stop(Mode::Fast).await.unwrap();
    let free = "select not active from pg_replication_slots";
    while !writer.query_one(free, &[]).await.unwrap().get::<_, bool>(0) {}
    let (before, active) = retained(&mut primary).await;
    assert_eq!(active, 0);
    run(&writer, "create table written as select generate_series(1, 10000) as n").await;
    let (after, _) = retained(&mut primary).await;
    assert!(after > before + 100_000, "{before} {after}");
    pair.standby.start_again().await.unwrap();
}

#[tokio::test]
async fn a_promotion_in_mid_run_breaks_nothing_and_invents_nothing() {
    let Watched { pair, mut primary, mut standby } = watched().await;
    for _ in 0..2 {
        primary.whole_cycle().await;
        standby.whole_cycle().await;
    }
    let before = standby.whole_cycle().await;
    assert_eq!(before.instance.attributes.as_ref().unwrap().role, "standby");
    let place = |rig: &Rig, cycle: &collector::watch::Cycle| {
        let rows = rig.rows(reading(cycle, "wal").unwrap());
        (value(rig, "wal", &rows, "in_recovery").unwrap(), value(rig, "wal", &rows, "position").unwrap())
    };
    let (in_recovery, replayed) = place(&standby, &before);
    assert_eq!(in_recovery, 1);

    pair.standby.promote().await.unwrap();
    let after = standby.whole_cycle().await;
    assert_eq!(after.instance.attributes.as_ref().unwrap().role, "primary");
    let (in_recovery, written) = place(&standby, &after);
    assert_eq!((in_recovery, written >= replayed), (0, true), "the position is the primary's own now");
    assert!(reading(&after, RECEIVER).is_none(), "a primary receives nothing");

    // Whatever is an increment of WAL is what this instance did since: far from the whole position.
    let generated = standby.rows(reading(&after, "pg_stat_wal").unwrap());
    let bytes = value(&standby, "pg_stat_wal", &generated, "wal_bytes").unwrap();
    assert!((0..=written).contains(&bytes) && bytes < 1 << 20, "{bytes} of {written}");
    let checkpoints = standby.rows(reading(&after, "pg_stat_checkpointer").unwrap());
    let requested = value(&standby, "pg_stat_checkpointer", &checkpoints, "num_requested").unwrap();
    assert!((0..=2).contains(&requested), "{requested}");
}

#[tokio::test]
async fn ages_are_those_of_the_server_for_every_database() {
    let Watched { pair, mut primary, mut standby } = watched().await;
    let admin = pair.primary.connect("postgres").await.unwrap();
    run(&admin, "create table aged (n int)").await;
    for _ in 0..5 {
        run(&admin, "insert into aged values (1)").await;
    }
    caught_up(&pair).await;
    let ask = "select oid::int8, age(datfrozenxid)::int8, mxid_age(datminmxid)::int8 from pg_database";
    for (rig, pg) in [(&mut primary, &pair.primary), (&mut standby, &pair.standby)] {
        let cycle = rig.whole_cycle().await;
        let client = pg.connect("postgres").await.unwrap();
        let rows = client.query(ask, &[]).await.unwrap();
        let truth =
            |column: usize| rows.iter().map(|row| (row.get(0), row.get(column))).collect::<BTreeMap<i64, i64>>();
        assert_eq!(rig.sums(&cycle, "wraparound", "datid", "xid_age"), truth(1));
        assert_eq!(rig.sums(&cycle, "wraparound", "datid", "mxid_age"), truth(2));
        assert!(rows.len() >= 3, "templates count, too");
    }
}

#[tokio::test]
async fn the_directory_and_its_archive_are_what_lies_there() {
    let pg = testkit::Pg::start(PgOptions::default().setting("archive_mode", "on")).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    // Nothing takes them: each finished segment waits.
    run(
        &admin,
        "create table written (n int); select pg_switch_wal(); insert into written values (1); select pg_switch_wal()",
    )
    .await;
    let mut rig = Rig::new(&pg, ROLE);
    let cycle = rig.whole_cycle().await;
    let ready = "select count(*) from pg_ls_archive_statusdir() where name like '%.ready'";
    let truth: i64 = admin.query_one(ready, &[]).await.unwrap().get(0);
    let rows = rig.rows(reading(&cycle, "wal_directory").unwrap());
    let of = |column: &str| value(&rig, "wal_directory", &rows, column);
    assert!(truth >= 2);
    assert_eq!(of("ready_files"), Some(truth));
    let size: i64 = admin.query_one("select sum(size)::int8 from pg_ls_waldir()", &[]).await.unwrap().get(0);
    assert_eq!(of("size"), Some(size));
    assert!(of("oldest_ready").is_some());
}
