//! Retention takes partitions whoever reads them, and whatever dies meanwhile: nobody waits, and sums stay.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::Client;

use super::tiers::{read, rows_of};
use super::tiers_rule::compare;
use super::tiers_store::{Fixture, MINUTE, Read};

/// Three days with rows, all rolled up and past their retention at [`Days::later`].
pub(crate) struct Days {
    pub(crate) fixture: Fixture,
    pub(crate) stored: Vec<Read>,
    pub(crate) sequence: u64,
    pub(crate) later: Timestamp,
}

impl Days {
    async fn new() -> Self {
        Self::over(Fixture::new().await).await
    }

    pub(crate) async fn over(fixture: Fixture) -> Self {
        let later = "2026-03-23T06:00:00Z".parse().unwrap();
        let mut days = Self { fixture, stored: Vec::new(), sequence: 0, later };
        for day in 10..13 {
            for set in 0..3 {
                days.push(set, &format!("2026-03-{day}T12:00:00Z"), 5).await;
                days.push(set, &format!("2026-03-{day}T00:00:00Z"), 6).await;
            }
        }
        days.fixture.roll_up(later).await;
        days
    }

    pub(crate) async fn push(&mut self, set: usize, time: &str, seed: u64) {
        let one = read(set, time.parse().unwrap(), MINUTE, rows_of(&[1], seed));
        self.sequence += 1;
        self.fixture.push_at(self.sequence, std::slice::from_ref(&one), self.later).await;
        self.stored.push(one);
    }

    pub(crate) async fn expire(&self) {
        self.fixture.store.drop_expired(self.later).await.unwrap();
    }

    /// The days of March that a table has partitions of, attached or not.
    async fn left(&self, table: &str) -> Vec<String> {
        let sql = "select right(relname, 2) from pg_class where relname ~ ('^' || $1 || '_202603[0-9]{2}$') order by 1";
        self.fixture.client.query(sql, &[&table]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// What is left of three days comes late, once and once again, and counts once.
    pub(crate) async fn late_rows_count_once(&mut self) {
        for (seed, time) in [(20, "2026-03-11T12:00:30Z"), (21, "2026-03-11T12:01:00Z"), (22, "2026-03-12T12:01:00Z")] {
            self.push(0, time, seed).await;
            self.fixture.roll_up(self.later).await;
            compare(&self.fixture, &self.stored).await;
            self.expire().await;
            compare(&self.fixture, &self.stored).await;
        }
        self.fixture.roll_up(self.later).await;
        self.expire().await;
        assert!(self.left("x_all").await.iter().all(|day| day == "18"), "what is past goes");
        assert_eq!(self.fixture.count("leaving").await, 0);
        compare(&self.fixture, &self.stored).await;
    }
}

/// A reader whose transaction stays open.
async fn reading(fixture: &Fixture, sql: &str) -> Client {
    let reader = fixture.database.connect().await.unwrap();
    reader.simple_query(&format!("begin isolation level repeatable read; {sql}")).await.unwrap();
    reader
}

#[tokio::test]
async fn a_reader_of_a_partition_holds_back_that_one_alone() {
    let mut days = Days::new().await;
    let reader = reading(&days.fixture, "select count(*) from metrics.x_all_20260311").await;
    days.expire().await;
    assert_eq!((days.left("x_all").await, days.left("x_levels").await), (vec!["11".to_owned()], Vec::new()));
    // It is whole, and stays what its buckets are made from.
    days.push(0, "2026-03-11T12:00:20Z", 9).await;
    days.fixture.roll_up(days.later).await;
    compare(&days.fixture, &days.stored).await;
    days.expire().await;
    assert_eq!(days.left("x_all").await, ["11"]);
    reader.simple_query("rollback").await.unwrap();
    days.expire().await;
    assert_eq!((days.left("x_all").await, days.fixture.count("leaving").await), (Vec::new(), 0));
    days.late_rows_count_once().await;
}

#[tokio::test]
async fn a_reader_of_a_table_keeps_nobody_waiting_and_sees_what_it_saw() {
    let mut days = Days::new().await;
    // The reader's own partition is none of those that go.
    let reader = reading(&days.fixture, "select count(*) from metrics.x_all where time > '2026-03-17'").await;
    let (store, later) = (Arc::clone(&days.fixture.store), days.later);
    let expiring = tokio::spawn(async move { store.drop_expired(later).await });
    days.fixture.waiting(1).await;
    // Detaching waits now; writing and reading go on.
    days.push(0, "2026-03-18T23:00:00Z", 7).await;
    assert_eq!(days.fixture.count("x_all where time > '2026-03-17'").await, 1);
    assert_eq!(expiring.await.unwrap().unwrap().held_back, 1, "it is told");
    assert_eq!(days.left("x_levels").await, Vec::<String>::new(), "other tables are not held back");
    assert_eq!(days.left("x_all").await, ["10", "11", "12", "18"]);
    let rows = reader.query_one("select count(*) from metrics.x_all where time < '2026-03-17'", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 6, "its snapshot has them");
    // As far as it goes: one tier follows another.
    while days.fixture.store.roll_up(days.later).await.unwrap().buckets > 0 {}
    compare(&days.fixture, &days.stored).await;
    reader.simple_query("rollback").await.unwrap();
    days.fixture.roll_up(days.later).await;
    days.expire().await;
    assert_eq!(days.fixture.count("leaving").await, 0);
    days.late_rows_count_once().await;
}

/// Retention is killed when a partition is detached and not dropped.
async fn cut_off() -> Days {
    let days = Days::new().await;
    let blocker = days.fixture.database.connect().await.unwrap();
    blocker.simple_query("begin; lock table metrics.gone in share mode").await.unwrap();
    let (store, later) = (Arc::clone(&days.fixture.store), days.later);
    let expiring = tokio::spawn(async move { store.drop_expired(later).await });
    days.fixture.waiting(1).await;
    expiring.abort();
    let _ = expiring.await;
    let end = "select pg_terminate_backend(pid, 10000) from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock'";
    days.fixture.client.query(end, &[]).await.unwrap();
    blocker.simple_query("rollback").await.unwrap();
    assert_eq!(days.fixture.count("leaving").await, 1);
    let detached = "select count(*) from pg_class c join metrics.leaving l on l.partition_name = c.relname
                    where not c.relispartition";
    assert_eq!(days.fixture.client.query_one(detached, &[]).await.unwrap().get::<_, i64>(0), 1);
    days
}

#[tokio::test]
async fn a_partition_that_was_detached_by_a_dead_process_is_dropped() {
    let mut days = cut_off().await;
    days.fixture.roll_up(days.later).await;
    compare(&days.fixture, &days.stored).await;
    days.expire().await;
    assert_eq!((days.left("x_all").await, days.left("readings").await.len()), (Vec::new(), 3));
    days.late_rows_count_once().await;
}

#[tokio::test]
async fn a_partition_that_was_detached_by_a_dead_process_takes_rows_again() {
    let mut days = cut_off().await;
    let name = "select table_name from metrics.leaving";
    let table: String = days.fixture.client.query_one(name, &[]).await.unwrap().get(0);
    assert_eq!(table, "x_all", "it is the first");
    // A newer definition came meanwhile.
    days.fixture.client.simple_query("alter table metrics.x_all add column newer bigint").await.unwrap();
    days.fixture.store.partitions().forget();
    days.push(0, "2026-03-10T12:00:30Z", 9).await;
    days.fixture.roll_up(days.later).await;
    compare(&days.fixture, &days.stored).await;
    days.late_rows_count_once().await;
}

#[tokio::test]
async fn retention_that_is_made_longer_does_not_strand_what_it_was_taking() {
    let days = cut_off().await;
    let longer = "insert into metrics.retention (set_name, tier, days) values ('x_all', 0, 85)";
    days.fixture.client.simple_query(longer).await.unwrap();
    days.expire().await;
    assert_eq!((days.fixture.count("leaving").await, days.left("x_all").await), (0, vec!["11".into(), "12".into()]));
}
