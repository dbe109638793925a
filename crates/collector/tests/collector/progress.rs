//! Long commands in mid-run, each made to stand still at a known place, on every installed major.

use std::process::{Command, Stdio};

use bytes::Bytes;
use futures_util::SinkExt as _;
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use crate::look::{Look, Row};
use crate::rig::{make_role, run};

/// Who holds this lock stops whoever computes an index over `slow(n)`.
const HOLD: &str = "select pg_advisory_lock(1)";
const RELEASE: &str = "select pg_advisory_unlock(1)";
const SLOW: &str = "create function slow(n int) returns int immutable language plpgsql as
    'begin perform pg_advisory_xact_lock_shared(1); return n; end'";

struct Stage {
    pg: Pg,
    admin: Client,
    look: Look,
    relid: i64,
    pages: i64,
}

async fn stage(major: u32) -> Stage {
    let pg = Pg::start(PgOptions::major(major).setting("autovacuum", "off")).await.unwrap();
    make_role(&pg).await;
    let admin = pg.connect("postgres").await.unwrap();
    run(&admin, SLOW).await;
    run(
        &admin,
        "create table t (n int, filler text); insert into t select n, repeat('x', 500) from generate_series(1, 3000) n",
    )
    .await;
    let size = "select 't'::regclass::oid::int8, pg_relation_size('t') / 8192";
    let row = admin.query_one(size, &[]).await.unwrap();
    let look = Look::new(&pg, "postgres", "progress").await.unwrap();
    Stage { relid: row.get(0), pages: row.get(1), pg, admin, look }
}

impl Stage {
    /// Begins a command in a session of its own, and reads until `tell` makes something of the only row.
    async fn during<T>(&self, command: &str, mut tell: impl FnMut(&Row<'_>) -> Option<T>) -> T {
        let client = self.pg.connect("postgres").await.unwrap();
        let pid = backend(&client).await;
        run(&client, "set vacuum_cost_delay = 100; set vacuum_cost_limit = 1; set statement_timeout = 0").await;
        let cancel = client.cancel_token();
        let command = command.to_owned();
        let running = tokio::spawn(async move { client.execute(&command, &[]).await });
        let told = self
            .look
            .until(|row| {
                assert_eq!(row.int("pid"), Some(pid));
                tell(&row)
            })
            .await;
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        assert!(running.await.unwrap().is_err(), "it ran when it was cancelled");
        told
    }

    fn is_of_table(&self, row: &Row<'_>) {
        assert_eq!(row.int("relid"), Some(self.relid));
        assert_eq!(row.text("backend_type").as_deref(), Some("client backend"));
        assert!(row.int("datid").is_some() && row.int("userid").is_some() && row.int("query_start").is_some());
    }
}

async fn backend(client: &Client) -> i64 {
    i64::from(client.query_one("select pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0))
}

#[tokio::test]
async fn every_command_that_tells_how_far_it_is_is_read_where_it_stands() {
    for major in testkit::majors() {
        let stage = stage(major).await;
        let (relid, pages) = (stage.relid, stage.pages);
        assert_eq!(stage.look.map(|_| ()).await.len(), 0, "nothing runs on {major}");

        let scanned = stage
            .during("vacuum t", |row| {
                stage.is_of_table(row);
                assert_eq!(row.text("command").as_deref(), Some("VACUUM"));
                assert_eq!(row.text("view").as_deref(), Some("pg_stat_progress_vacuum"));
                assert!(row.int("blocks_total").is_none(), "of another view");
                let is_scanning = row.text("phase").as_deref() == Some("scanning heap");
                (is_scanning && row.int("heap_blks_scanned") > Some(0)).then(|| {
                    assert_eq!(row.int("heap_blks_total"), Some(pages));
                    assert!(row.int("max_dead_tuple_bytes") > Some(0) && row.int("dead_tuple_bytes") == Some(0));
                    row.int("heap_blks_scanned")
                })
            })
            .await;
        assert!(scanned <= Some(pages), "{scanned:?} of {pages} on {major}");
        if major < 12 {
            // The others do not tell there.
            continue;
        }

        if major >= 13 {
            let sampled = stage
                .during("analyze t", |row| {
                    stage.is_of_table(row);
                    assert_eq!(row.text("command").as_deref(), Some("ANALYZE"));
                    row.int("sample_blks_scanned").filter(|blocks| *blocks > 0)
                })
                .await;
            assert!(sampled <= pages, "{sampled} of {pages} on {major}");
        }

        let writer = stage.pg.connect("postgres").await.unwrap();
        let writer_pid = backend(&writer).await;
        run(&writer, "begin; insert into t values (0)").await;
        stage
            .during("create index concurrently waits on t (n)", |row| {
                stage.is_of_table(row);
                assert_eq!(row.text("command").as_deref(), Some("CREATE INDEX CONCURRENTLY"));
                (row.int("lockers_total") == Some(1) && row.int("current_locker_pid") == Some(writer_pid))
                    .then(|| assert_eq!(row.int("lockers_done"), Some(0)))
            })
            .await;
        run(&writer, "rollback; drop index waits").await;

        run(&stage.admin, "create index slowly on t (slow(n))").await;
        run(&stage.admin, HOLD).await;
        stage
            .during("vacuum full t", |row| {
                stage.is_of_table(row);
                assert_eq!(row.text("view").as_deref(), Some("pg_stat_progress_cluster"));
                (row.text("phase").as_deref() == Some("rebuilding index")).then(|| {
                    assert_eq!(row.text("command").as_deref(), Some("VACUUM FULL"));
                    assert_eq!(row.int("heap_tuples_scanned"), Some(3000));
                    assert_eq!((row.int("heap_tuples_written"), row.int("index_rebuild_count")), (Some(3000), Some(0)));
                })
            })
            .await;
        run(&stage.admin, RELEASE).await;

        if major >= 14 {
            copied(&stage, relid).await;
        }
        if major >= 13 {
            backed_up(&stage).await;
        }
    }
}

/// Rows that were sent and no others.
async fn copied(stage: &Stage, relid: i64) {
    let client = stage.pg.connect("postgres").await.unwrap();
    let pid = backend(&client).await;
    let mut sink = Box::pin(client.copy_in::<_, Bytes>("copy t (n) from stdin where n <> 2").await.unwrap());
    let rows = (1..=20_000).fold(String::new(), |rows, n| format!("{rows}{n}\n"));
    let bytes = i64::try_from(rows.len()).unwrap();
    sink.send(rows.into()).await.unwrap();
    sink.flush().await.unwrap();
    stage
        .look
        .until(|row| {
            assert_eq!(row.int("pid"), Some(pid));
            assert_eq!((row.int("relid"), row.text("command")), (Some(relid), Some("COPY FROM".to_owned())));
            assert_eq!(row.text("copy_type").as_deref(), Some("PIPE"));
            assert!(row.int("tuples_processed") <= Some(19_999) && row.int("bytes_processed") <= Some(bytes));
            (row.int("tuples_processed") > Some(1000)).then(|| assert_eq!(row.int("tuples_excluded"), Some(1)))
        })
        .await;
}

/// A base backup that is sent slowly, where the installation has the program.
async fn backed_up(stage: &Stage) {
    if !stage.pg.with(|cluster| cluster.binaries().has_program("pg_basebackup")) {
        return;
    }
    run(&stage.admin, "checkpoint").await;
    let mut backup = Command::new(stage.pg.with(|cluster| cluster.binaries().program("pg_basebackup")))
        .args(["-d", &stage.pg.dsn("postgres"), "-D", "-", "-F", "t", "-X", "none", "--max-rate", "32"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    stage
        .look
        .until(|row| {
            // The session that copied may not have ended yet.
            let is_backup = row.text("command").as_deref() == Some("BASE BACKUP");
            (is_backup && row.int("backup_streamed") > Some(0)).then(|| {
                assert_eq!((row.int("datid"), row.int("relid")), (None, None));
                assert_eq!(row.text("backend_type").as_deref(), Some("walsender"));
                assert!(row.int("backup_total") >= row.int("backup_streamed"));
                assert_eq!((row.int("tablespaces_total"), row.int("tablespaces_streamed")), (Some(1), Some(0)));
            })
        })
        .await;
    backup.kill().unwrap();
    backup.wait().unwrap();
}
