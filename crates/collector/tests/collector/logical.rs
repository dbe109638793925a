//! Logical replication between two instances: slots, subscriptions and publications, while it works and when it fails.

use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use crate::look::Look;
use crate::rig::{make_role, run};

const TABLE: &str = "create table t (n int primary key)";

struct Side {
    pg: Pg,
    admin: Client,
}

async fn side(major: u32, memory: &str) -> Side {
    let options = PgOptions::major(major).setting("wal_level", "logical");
    // The least that it may be, so that transactions spill.
    let options = if major >= 13 { options.setting("logical_decoding_work_mem", memory) } else { options };
    let pg = Pg::start(options).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, TABLE).await;
    Side { pg, admin }
}

#[tokio::test]
async fn a_subscription_is_told_on_both_sides_also_when_it_fails() {
    for major in testkit::majors() {
        let (publisher, subscriber) = (side(major, "64kB").await, side(major, "64kB").await);
        run(&publisher.admin, "create publication orders for table t; insert into t values (1), (2)").await;
        let from = publisher.pg.dsn("postgres").replace('\'', "''");
        // Else what is too large for the memory is sent before it ends, from 18 on.
        let spills = if major >= 14 { " with (streaming = off)" } else { "" };
        let subscribe = format!("create subscription news connection '{from}' publication orders{spills}");
        subscriber.admin.execute(&subscribe, &[]).await.unwrap();
        let subid = "select oid::int8 from pg_subscription";
        let subid: i64 = subscriber.admin.query_one(subid, &[]).await.unwrap().get(0);

        let workers = Look::new(&subscriber.pg, "postgres", "pg_stat_subscription").await.unwrap();
        let tables = Look::new(&subscriber.pg, "postgres", "pg_subscription_rel").await.unwrap();
        tables
            .until(|row| {
                assert_eq!((row.int("subid"), row.int("tables")), (Some(subid), Some(1)));
                let states = ["initializing", "copying", "catching_up", "ready"].map(|state| row.int(state).unwrap());
                assert_eq!(states.iter().sum::<i64>(), 1);
                (states[3] == 1).then_some(())
            })
            .await;
        workers
            .until(|row| {
                assert_eq!((row.int("subid"), row.text("subname")), (Some(subid), Some("news".to_owned())));
                let applies = row.text("worker_type").as_deref() == Some("apply");
                (applies && row.int("latest_end_lsn") > Some(0)).then(|| {
                    assert!(row.int("pid") > Some(0) && row.int("received_lsn") >= row.int("latest_end_lsn"));
                    assert!(row.int("last_msg_receipt_time").is_some());
                })
            })
            .await;

        properties(&publisher, &subscriber, subid).await;
        spilled(&publisher).await;
        failed(&publisher, &subscriber, &workers).await;
        run(&subscriber.admin, "alter subscription news disable").await;
        run(&subscriber.admin, "alter subscription news set (slot_name = none)").await;
        // Without a worker it still has a row.
        workers.until(|row| (row.int("pid") == Some(0)).then(|| assert_eq!(row.text("worker_type"), None))).await;
        run(&subscriber.admin, "drop subscription news").await;
    }
}

async fn properties(publisher: &Side, subscriber: &Side, subid: i64) {
    let major = subscriber.pg.major();
    let subscriptions = Look::new(&subscriber.pg, "postgres", "pg_subscription").await.unwrap();
    let told = subscriptions
        .map(|row| {
            assert_eq!(row.int("subid"), (major >= 14).then_some(subid));
            [row.text("subname"), row.text("slot_name"), row.text("publications")].map(Option::unwrap)
        })
        .await;
    assert_eq!(told, [["news", "news", "orders"].map(str::to_owned)]);
    let publications = Look::new(&publisher.pg, "postgres", "pg_publication").await.unwrap();
    let told = publications
        .map(|row| (row.text("pubname").unwrap(), row.int("tables"), row.int("all_tables"), row.int("inserts")))
        .await;
    assert_eq!(told, [("orders".to_owned(), Some(1), Some(0), Some(1))]);
}

/// A transaction that is larger than the memory for decoding.
async fn spilled(publisher: &Side) {
    let Some(slots) = Look::new(&publisher.pg, "postgres", "pg_stat_replication_slots").await else { return };
    run(&publisher.admin, "insert into t select generate_series(1000, 6000)").await;
    slots
        .until(|row| {
            assert_eq!(row.text("slot_name").as_deref(), Some("news"));
            // What was spilled is told first, what was handed on when the transaction is.
            let is_handed_on = row.int("total_txns") >= Some(1) && row.int("total_bytes") >= row.int("spill_bytes");
            (row.int("spill_txns") == Some(1) && is_handed_on)
                .then(|| assert!(row.int("spill_count") >= Some(1) && row.int("spill_bytes") > Some(64 * 1024)))
        })
        .await;
}

/// A row that is there already.
async fn failed(publisher: &Side, subscriber: &Side, workers: &Look) {
    workers.until(|row| (row.int("pid") > Some(0)).then_some(())).await;
    run(&subscriber.admin, "insert into t values (77)").await;
    run(&publisher.admin, "insert into t values (77)").await;
    let Some(errors) = Look::new(&subscriber.pg, "postgres", "pg_stat_subscription_stats").await else { return };
    errors
        .until(|row| {
            (row.int("apply_error_count") > Some(0)).then(|| {
                assert_eq!(row.int("sync_error_count"), Some(0));
                if subscriber.pg.major() >= 18 {
                    assert!(row.int("confl_insert_exists") > Some(0));
                    assert_eq!(row.int("confl_delete_missing"), Some(0));
                }
            })
        })
        .await;
}
