//! What ingest does when the store fails, refuses values, or loses its answer.

use std::path::PathBuf;
use std::time::Duration;

use ::store::CustomSets;
use futures_util::future::join_all;
use ingest::{Ingest, PushError};
use testkit::{Fault, Proxy};

use super::fixture::{BUFFER, Fixture, open_store};

/// The longest that a test waits for a condition.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn one_bad_batch_does_not_take_its_group_with_it() {
    let fixture = Fixture::new().await;
    fixture.client.execute("alter table metrics.x_sample add check (calls <> 666)", &[]).await.unwrap();
    let batches: Vec<_> =
        (1..=10).map(|sequence| fixture.sample_batch(sequence, &[1, 2], if sequence == 4 { 666 } else { 1 })).collect();
    let answers = join_all(batches.iter().map(|batch| fixture.push(batch))).await;
    for (batch, answer) in batches.iter().zip(answers) {
        let answer = answer.unwrap();
        if batch.sequence == 4 {
            assert_eq!(answer.rows_inserted, 0);
            assert_eq!((answer.rejected[0].set.as_str(), answer.rejected[0].rows), ("x_sample", 2));
            assert_eq!(answer.rejected[0].reason, "refused_by_store_23514");
        } else {
            assert_eq!((answer.rows_inserted, answer.rejected.len()), (2, 0));
        }
    }
    assert_eq!(fixture.count("metrics.x_sample").await, 18);
    assert_eq!(fixture.count("metrics.rejected where sequence = 4 and rows = 2").await, 1);
    assert!(fixture.push(&batches[3]).await.unwrap().duplicate, "what was rejected is not tried again");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_decided_by_the_ledger() {
    let mut fixture = Fixture::new().await;
    let upstream: String = fixture.client.query_one("show unix_socket_directories", &[]).await.unwrap().get(0);
    let port: String = fixture.client.query_one("show port", &[]).await.unwrap().get(0);
    let proxy = Proxy::start(PathBuf::from(format!("{upstream}/.s.PGSQL.{port}"))).await.unwrap();
    let database: String = fixture.client.query_one("select current_database()::text", &[]).await.unwrap().get(0);
    let user: String = fixture.client.query_one("select current_user::text", &[]).await.unwrap().get(0);
    let address = proxy.address();
    let dsn = format!("host=127.0.0.1 port={} user={user} dbname={database} sslmode=disable", address.port());
    fixture.ingest = Ingest::start(open_store(&dsn).await, BUFFER, CustomSets::Refuse);
    // The commit waits, at its very end, for a lock that the test holds.
    fixture
        .client
        .simple_query(
            "create function metrics.wait() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock(42); return null; end $$;
             create constraint trigger wait after insert or update on metrics.ledger
             deferrable initially deferred for each row execute function metrics.wait();
             select pg_advisory_lock(42)",
        )
        .await
        .unwrap();
    let batch = fixture.sample_batch(1, &[1, 2], 1);
    let (lost, ()) = tokio::join!(fixture.push(&batch), async {
        let waits =
            "pg_stat_activity where datname = current_database() and query = 'COMMIT' and wait_event = 'advisory'";
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while fixture.count(waits).await == 0 {
            assert!(tokio::time::Instant::now() < deadline, "no commit waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.set(Fault::CutResponseAfter(0));
        fixture.client.simple_query("select pg_advisory_unlock(42)").await.unwrap();
    });
    assert!(matches!(lost, Err(PushError::Unavailable { .. })), "{lost:?}");
    proxy.set(Fault::Pass);
    assert!(fixture.push(&batch).await.unwrap().duplicate, "it was committed");
    assert_eq!(fixture.count("metrics.x_sample").await, 2);

    // And a store that is away for a while loses nothing.
    proxy.set(Fault::Refuse);
    let second = fixture.sample_batch(2, &[3], 1);
    assert!(matches!(fixture.push(&second).await, Err(PushError::Unavailable { .. })));
    proxy.set(Fault::Pass);
    assert_eq!(fixture.push(&second).await.unwrap().rows_inserted, 1);
    assert_eq!(fixture.count("metrics.x_sample").await, 3);
}

#[tokio::test]
async fn bytes_in_flight_are_bounded() {
    let mut fixture = Fixture::new().await;
    let keys: Vec<i64> = (0..2000).collect();
    let batches: Vec<_> = (1..=20).map(|sequence| fixture.sample_batch(sequence, &keys, 1)).collect();
    fixture.ingest = Ingest::start(fixture.ingest.store().clone(), 1 << 20, CustomSets::Refuse);
    let answers = join_all(batches.iter().map(|batch| fixture.push(batch))).await;
    let busy =
        answers.iter().filter(|answer| matches!(answer, Err(PushError::Busy { retry_after }) if *retry_after > 0));
    let stored = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(busy.count() + stored, 20, "{answers:?}");
    assert!((1..20).contains(&stored), "{stored} of 20 had room");
    assert_eq!(fixture.ingest.budget().used(), 0);
    for batch in &batches {
        fixture.push(batch).await.unwrap();
    }
    assert_eq!(fixture.count("metrics.x_sample").await, 20 * 2000);
}

#[tokio::test]
async fn a_partition_dropped_by_another_server_is_made_again() {
    let fixture = Fixture::new().await;
    fixture.push(&fixture.sample_batch(1, &[1], 1)).await.unwrap();
    let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d").to_string();
    fixture.client.execute(&format!("drop table metrics.x_sample_{day}"), &[]).await.unwrap();
    let answer = fixture.push(&fixture.sample_batch(2, &[1], 1)).await.unwrap();
    assert_eq!((answer.rows_inserted, answer.rejected.len()), (1, 0));
}
