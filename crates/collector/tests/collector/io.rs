//! I/O by kind of process, the small caches, and functions, compared with what was done.

use testkit::{Pg, PgOptions};

use crate::look::Look;
use crate::rig::{make_role, run};

#[tokio::test]
async fn io_is_of_who_did_it() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        let Some(io) = Look::new(&pg, "postgres", "pg_stat_io").await else { continue };
        let zeros = io.map(|row| {
            let counts = ["reads", "writes", "writebacks", "extends", "hits", "evictions", "reuses", "fsyncs"];
            counts.into_iter().filter_map(|column| row.int(column)).sum::<i64>()
        });
        assert!(zeros.await.iter().all(|sum| *sum > 0), "what was never done has no row on {major}");
        run(&admin, "create table t as select n from generate_series(1, 100000) n; checkpoint").await;
        let pages: i64 = admin.query_one("select pg_relation_size('t')", &[]).await.unwrap().get(0);
        let of = |row: &crate::look::Row<'_>| {
            ["backend_type", "object", "context"].map(|label| row.text(label).unwrap()).join("/")
        };
        // A table is filled through a ring of buffers.
        io.until(|row| {
            (of(&row) == "client backend/relation/bulkwrite" && row.int("extend_bytes") >= Some(pages)).then(|| {
                assert!(row.int("extends") > Some(0));
                assert_eq!(row.int("fsyncs"), None, "the normal context does it for all");
            })
        })
        .await;
        let is_writer = |row: &crate::look::Row<'_>| of(row) == "checkpointer/relation/normal";
        io.until(|row| {
            (is_writer(&row) && row.int("writes") > Some(0)).then(|| {
                assert!(row.int("write_bytes") >= row.int("writes").map(|writes| writes * 8192));
                assert_eq!(row.int("extends"), None, "it never does");
            })
        })
        .await;
    }
}

#[tokio::test]
async fn a_small_cache_counts_its_pages() {
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        make_role(&pg).await;
        let admin = pg.connect("postgres").await.unwrap();
        let Some(caches) = Look::new(&pg, "postgres", "pg_stat_slru").await else { continue };
        // Whoever reads a row asks whether its transaction was committed.
        run(&admin, "create table t as select 1 as n; select n from t").await;
        let name = if major >= 17 { "transaction" } else { "Xact" };
        let is_it = |row: &crate::look::Row<'_>| row.text("name").as_deref() == Some(name);
        let hits = caches.until(|row| row.int("blks_hit").filter(|hits| is_it(&row) && *hits > 0)).await;
        let ask = format!("select blks_hit from pg_stat_slru where name = '{name}'");
        assert!(hits <= admin.query_one(&ask, &[]).await.unwrap().get(0), "{major}");
    }
}

#[tokio::test]
async fn functions_are_counted_by_their_names() {
    let calls = "create schema \"Odd one\";
        create function \"Odd one\".\"Sleeps\"(text, n int default 1) returns void language plpgsql as
            'begin perform pg_sleep(0.01); end';
        select \"Odd one\".\"Sleeps\"('a') from generate_series(1, 3)";
    for major in testkit::majors() {
        let pg = Pg::start(PgOptions::major(major).setting("track_functions", "pl")).await.unwrap();
        make_role(&pg).await;
        run(&pg.connect("postgres").await.unwrap(), calls).await;
        let figures = Look::new(&pg, "postgres", "pg_stat_user_functions").await.unwrap();
        let funcid = figures
            .until(|row| {
                assert_eq!(row.int("calls"), Some(3));
                assert!(row.int("self_time") >= Some(30_000) && row.int("total_time") >= row.int("self_time"));
                row.int("funcid")
            })
            .await;
        let names = Look::new(&pg, "postgres", "pg_proc").await.unwrap();
        let told = names
            .map(|row| {
                assert_eq!(row.int("funcid"), Some(funcid));
                ["schema", "proname", "arguments", "kind", "language"].map(|column| row.text(column).unwrap())
            })
            .await;
        assert_eq!(told, [["Odd one", "Sleeps", "text, integer", "f", "plpgsql"].map(str::to_owned)], "{major}");
    }
}
