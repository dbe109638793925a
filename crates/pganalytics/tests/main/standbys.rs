//! A primary and a standby, both watched by the real collector: how far replay is behind, and who is a standby at all.

use std::process::Stdio;

use jiff::Timestamp;
use serde_json::Value;
use testkit::PgOptions;

use crate::world::World;

#[tokio::test]
async fn a_log_shipping_standby_is_behind_by_its_primarys_position() {
    let (world, _standby) = World::pair(testkit::log_shipping_pair(PgOptions::default()).await.unwrap()).await;
    let admin = world.pg.connect("postgres").await.unwrap();
    let caught_up = async |world: &World| {
        let standby = world.listed("standby").await?;
        (standby["replay_lag_bytes"].as_i64()? < 1_000_000).then_some(())
    };
    admin.execute("select pg_switch_wal()", &[]).await.unwrap();
    world.until("it has replayed what is archived", caught_up).await;
    // It fits into a segment that is not archived.
    admin.execute("create table written as select generate_series(1, 80000) as n", &[]).await.unwrap();
    let behind = world.until("the standby is behind by what is not archived", async |world| {
        let standby = world.listed("standby").await?;
        (standby["replay_lag_bytes"].as_i64()? > 2_000_000).then_some(standby)
    });
    let behind = behind.await;
    assert!(behind["replay_lag_ms"].as_f64().unwrap() > 0.0, "{behind}");
    let path = format!("/instances/{}/replication", behind["id"]);
    let said = world.get(&path).await.unwrap()["receiver"].clone();
    assert_eq!((&said["connected"], &said["idle"]), (&false.into(), &false.into()), "{said}");
    assert_eq!((&said["primary"]["name"], &said["not_replayed_bytes"]), (&"main".into(), &().into()), "{said}");
    assert!(said["last_replay_age_ms"].as_f64().unwrap() > 0.0, "{said}");

    admin.execute("select pg_switch_wal()", &[]).await.unwrap();
    world.until("it has replayed what is archived since", caught_up).await;
}

#[tokio::test]
async fn pg_receivewal_beside_a_standby_takes_nothing_from_it() {
    let (world, _standby) = World::pair(testkit::replication_pair(PgOptions::default()).await.unwrap()).await;
    let binaries = world.pg.with(|cluster| cluster.binaries().clone());
    if !binaries.has_program("pg_receivewal") {
        eprintln!("skipped: no pg_receivewal beside the server's programs");
        return;
    }
    let archive = world.path("archive");
    std::fs::create_dir(&archive).unwrap();
    let mut receives = tokio::process::Command::new(binaries.program("pg_receivewal"))
        .arg("--dbname")
        .arg(world.pg.dsn("postgres"))
        .arg("--directory")
        .arg(&archive)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let path = format!("/instances/{}/replication", world.instance);
    let said = world.until("it is seen beside the standby", async |world| {
        let said = world.get(&path).await?;
        let receives = said["receivers"].as_array()?.iter().any(|one| one["write_lsn"].is_string());
        (receives && said["standbys"][0]["instance"].is_object()).then_some(said)
    });
    let said = said.await;
    receives.kill().await.unwrap();
    let receiver = &said["receivers"][0];
    assert_eq!((&receiver["kind"], &receiver["application_name"]), (&"receiver".into(), &"pg_receivewal".into()));
    assert_eq!(said["standbys"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!(said["standbys"][0]["instance"]["name"], "standby");
}

/// Calls of a user's statements that an instance was told of, by what the API says.
async fn calls(world: &World, instance: &Value, start: Timestamp) -> i64 {
    let path = format!("/instances/{instance}/queries?start={start}&end={}&user=app_a&trend=false", Timestamp::now());
    let answer = world.get(&path).await.unwrap();
    answer["data"].as_array().unwrap().iter().map(|row| row["calls"].as_i64().unwrap()).sum()
}

/// The state of a set, and why.
fn state(coverage: &Value, set: &str) -> Option<(String, String)> {
    let found = coverage["data"].as_array()?.iter().find(|one| one["set"] == set)?;
    Some((found["state"].as_str()?.to_owned(), found["code"].as_str().unwrap_or_default().to_owned()))
}

#[tokio::test]
async fn a_standby_that_is_promoted_stays_the_same_instance() {
    let start = Timestamp::now();
    let (world, standby) = World::pair(testkit::replication_pair(PgOptions::default()).await.unwrap()).await;
    // What was made for the test arrives by replication.
    let connect = async || {
        let dsn = standby.dsn("one").replace("user=postgres", "user=app_a");
        loop {
            if let Ok(client) = testkit::connect(&dsn).await {
                return client;
            }
            tokio::task::yield_now().await;
        }
    };
    let is_read = async |world: &World| {
        let one = world.listed("standby").await?;
        (one["watched"]["state"] == "read" && one["tps"].is_number()).then_some(one)
    };
    let before = world.until("the standby is read", is_read).await;
    let (id, since) = (before["id"].clone(), Timestamp::now());
    assert_eq!(before["role"], "standby");
    let reads = connect().await;
    for _ in 0..17 {
        reads.simple_query("select 'as a standby'").await.unwrap();
    }
    standby.promote().await.unwrap();
    for _ in 0..25 {
        reads.simple_query("select 'as a primary'").await.unwrap();
    }
    let promoted = world.until("its role is told", async |world| {
        let one = world.listed("standby").await?;
        let coverage = world.get(&format!("/instances/{id}/coverage")).await?;
        let ended = state(&coverage, "pg_stat_wal_receiver")? == ("missing".to_owned(), "role".to_owned());
        (one["role"] == "primary" && ended && calls(world, &id, start).await >= 42).then_some(one)
    });
    let promoted = promoted.await;
    assert_eq!(promoted["id"], id, "one history");
    assert_eq!((&promoted["cluster"], &promoted["replay_lag_ms"]), (&before["cluster"], &Value::Null));
    assert_eq!(promoted["timeline"].as_i64(), before["timeline"].as_i64().map(|timeline| timeline + 1));
    assert_eq!(calls(&world, &id, start).await, 42, "each of them once");
    // What it received is of the past, what it writes is its own.
    let replication = world.get(&format!("/instances/{id}/replication")).await.unwrap();
    assert_eq!(replication["receiver"], Value::Null, "{replication}");
    let now = Timestamp::now();
    let of_databases = world.get(&format!("/instances/{id}/databases?start={since}&end={now}")).await.unwrap();
    for database in of_databases["data"].as_array().unwrap() {
        let figures = database.as_object().unwrap().iter().filter_map(|(_, value)| value.as_f64());
        assert!(figures.into_iter().all(|figure| figure >= 0.0), "{database}");
    }
    let flags = world.get(&format!("/instances/{id}/queries?start={since}&limit=1")).await.unwrap();
    assert_eq!(flags["flagged_intervals"], serde_json::json!([]), "nothing was lost");
}
