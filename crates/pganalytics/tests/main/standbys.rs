//! A primary and a standby, both watched by the real collector: how far replay is behind, and who is a standby at all.

use std::process::Stdio;

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
