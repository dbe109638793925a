//! What a standby counts: queries that conflicted with recovery, and blocks that it read ahead.

use testkit::PgOptions;

use crate::look::Look;
use crate::rig::{make_role, run};

#[tokio::test]
async fn a_standby_counts_conflicts_by_their_reason_and_what_it_read_ahead() {
    for major in testkit::majors() {
        let options = PgOptions::major(major).setting("max_standby_streaming_delay", "0");
        let pair = testkit::replication_pair(options).await.unwrap();
        make_role(&pair.primary).await;
        let primary = pair.primary.connect("postgres").await.unwrap();
        run(&primary, "create table t as select n from generate_series(1, 1000) n; create table last_one ()").await;
        let reader = pair.standby.connect("postgres").await.unwrap();
        let is_there = "select to_regclass('last_one') is not null";
        while !reader.query_one(is_there, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        let conflicts = Look::new(&pair.standby, "postgres", "pg_stat_database_conflicts").await.unwrap();
        let ask = "select oid::int8 from pg_database where datname = 'postgres'";
        let datid: i64 = reader.query_one(ask, &[]).await.unwrap().get(0);
        run(&reader, "begin; select count(*) from t").await;
        run(&primary, "drop table t").await;
        conflicts
            .until(|row| {
                (row.int("datid") == Some(datid) && row.int("confl_lock") == Some(1)).then(|| {
                    let others = ["confl_tablespace", "confl_snapshot", "confl_bufferpin", "confl_deadlock"];
                    assert_eq!(others.map(|column| row.int(column)), [Some(0); 4], "{major}");
                })
            })
            .await;
        let Some(ahead) = Look::new(&pair.standby, "postgres", "pg_stat_recovery_prefetch").await else { continue };
        ahead
            .until(|row| {
                let seen = ["prefetch", "hit", "skip_init", "skip_new", "skip_fpw", "skip_rep"];
                let sum: i64 = seen.map(|column| row.int(column).unwrap()).iter().sum();
                (sum > 0).then(|| assert!(row.int("wal_distance").is_some() && row.int("stats_reset").is_some()))
            })
            .await;
    }
}
