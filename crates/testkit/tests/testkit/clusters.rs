//! Throw-away clusters, pairs, and what a killed test leaves behind.

use std::process::{Command, Stdio};

use testkit::{Mode, Pg, PgOptions, majors, replication_pair};

/// Lets [`leave_a_cluster_behind`] do so: set for the process that is killed.
const LEAVE: &str = "TESTKIT_LEAVE_BEHIND";

#[tokio::test]
async fn a_cluster_has_the_extension_and_restarts_with_its_data() {
    let pg = Pg::start(PgOptions::default().setting("work_mem", "3MB")).await.unwrap();
    let client = pg.connect("postgres").await.unwrap();
    client.execute("create table kept as select 1", &[]).await.unwrap();
    let seen = "select count(*) from pg_stat_statements where query like 'create table kept%' and queryid is not null";
    assert_eq!(client.query_one(seen, &[]).await.unwrap().get::<_, i64>(0), 1);
    let memory: String = client.query_one("show work_mem", &[]).await.unwrap().get(0);
    assert_eq!(memory, "3MB");

    pg.restart(Mode::Fast).await.unwrap();
    assert!(client.query_one("select 1", &[]).await.is_err());
    pg.stop_immediate().await.unwrap();
    assert!(pg.connect("postgres").await.is_err());
    pg.start_again().await.unwrap();
    let again = pg.connect("postgres").await.unwrap();
    again.query_one("select from kept", &[]).await.unwrap();
    let directory = pg.data_dir();
    drop(pg);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_crashed_backend_takes_the_others_with_it_and_the_instance_comes_back() {
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    let client = pg.connect("postgres").await.unwrap();
    pg.crash_backend().await.unwrap();
    assert!(client.query_one("select 1", &[]).await.is_err());
    pg.connect("postgres").await.unwrap().query_one("select 1", &[]).await.unwrap();
}

#[tokio::test]
async fn copies_share_their_identity_unless_told_otherwise() {
    let identifier = async |options: PgOptions| -> i64 {
        let pg = Pg::start(options).await.unwrap();
        let client = pg.connect("postgres").await.unwrap();
        client.query_one("select system_identifier from pg_control_system()", &[]).await.unwrap().get(0)
    };
    let copy = identifier(PgOptions::default()).await;
    assert_eq!(identifier(PgOptions::default()).await, copy);
    assert_ne!(identifier(PgOptions { own_identity: true, ..PgOptions::default() }).await, copy);
}

#[tokio::test]
async fn every_installed_major_starts_with_the_extension() {
    assert!(!majors().is_empty());
    for major in majors() {
        let pg = Pg::start(PgOptions::major(major)).await.unwrap();
        let client = pg.connect("postgres").await.unwrap();
        let number: String = client.query_one("show server_version_num", &[]).await.unwrap().get(0);
        assert_eq!(number.parse::<u32>().unwrap() / 10_000, major);
        client.execute("select 1 from pg_stat_statements", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_standby_of_every_installed_major_follows() {
    for major in majors() {
        let pair = replication_pair(PgOptions::major(major)).await.unwrap();
        let primary = pair.primary.connect("postgres").await.unwrap();
        let standby = pair.standby.connect("postgres").await.unwrap();
        primary.execute("create table replicated as select 7 as n", &[]).await.unwrap();
        while standby.query_one("select n from replicated", &[]).await.is_err() {}
        assert!(standby.query_one("select pg_is_in_recovery()", &[]).await.unwrap().get::<_, bool>(0));
    }
}

/// No test of its own, but the process that [`what_a_killed_test_leaves_is_cleared_away`] kills.
#[tokio::test]
async fn leave_a_cluster_behind() {
    if std::env::var_os(LEAVE).is_none() {
        return;
    }
    let pg = Pg::start(PgOptions::default()).await.unwrap();
    println!("running in {}", pg.data_dir().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_a_killed_test_leaves_is_cleared_away() {
    let mut doomed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clusters::leave_a_cluster_behind", "--nocapture"])
        .env(LEAVE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(doomed.stdout.take().unwrap());
    let line = std::io::BufRead::lines(output).map(Result::unwrap).find(|line| line.contains("running in ")).unwrap();
    let directory = std::path::PathBuf::from(line.split_once("running in ").unwrap().1);
    doomed.kill().unwrap();
    doomed.wait().unwrap();
    assert!(directory.join("postmaster.pid").exists(), "the cluster outlives the test that was killed");

    // Another process may be at it just now, in which case this start goes on without.
    while directory.exists() {
        drop(Pg::start(PgOptions::default()).await.unwrap());
    }
}
