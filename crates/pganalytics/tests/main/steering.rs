//! The server pushes configurations while the collector runs: followed without a restart and without a gap, refused with a
//! reason where they cannot be, and gone back from where the server is not reached with one.

use jiff::Timestamp;
use serde_json::Value;
use testkit::PgOptions;

use crate::reload::{FOLLOWED, rounds, said};
use crate::spool::work;
use crate::world::{World, assert_exact, between};

/// What the server shows of the collector's configuration.
async fn versions(world: &World) -> (Option<i64>, Option<i64>, Option<String>) {
    let collector = world.get("/collectors").await.unwrap()["data"][0].clone();
    let error = world.delivery().await["config_error"].as_str().map(str::to_owned);
    (collector["config_in_force"].as_i64(), collector["config_refused"].as_i64(), error)
}

/// Pushes a configuration; answers its version.
async fn push(world: &World, text: &str) -> i64 {
    let answer = world.put_configuration(text).await;
    assert!(answer.0.is_success(), "{answer:?}");
    answer.1["version"].as_i64().unwrap()
}

async fn follows(world: &World, version: i64) {
    world.until("it is in force", async |world| (versions(world).await.0 == Some(version)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_is_followed_without_a_restart_and_costs_no_work() {
    let mut world = World::start(PgOptions::default()).await;
    let (start, before) = (Timestamp::now(), world.truth().await);
    let dsn = world.pg.dsn("postgres").replace("user=postgres", "user=pganalytics");
    let other = format!("[[instances]]\nname = \"other\"\ndsn = {dsn:?}\n");
    for round in 0..rounds() {
        work(&world, 1).await;
        let version = push(&world, &format!("# {round}\n{other}")).await;
        follows(&world, version).await;
        world.until("the other one is watched", async |world| world.listed("other").await).await;
        work(&world, 1).await;
        let version = push(
            &world,
            &format!("{other}[[instances]]\nname = \"main\"\n[instances.pg_stats]\ninterval = {}\n", round + 2),
        )
        .await;
        follows(&world, version).await;
        work(&world, 1).await;
        // The server takes it for possible, the collector's own file says otherwise.
        let bad = push(&world, "# nothing\n[[instances]]\nname = \"nowhere\"\ndatabases = [\"a\"]\n").await;
        let reason = world
            .until("it is refused", async |world| {
                let (in_force, refused, error) = versions(world).await;
                (in_force == Some(version) && refused == Some(bad)).then_some(error?)
            })
            .await;
        assert!(reason.contains(&format!("pushed configuration (version {bad}):2: ")), "{reason}");
        assert!(reason.contains("\"nowhere\""), "{reason}");
        if round % 3 == 1 {
            world.kill_collector();
            work(&world, 1).await;
            world.kill_server();
            world.start_collector();
            // Without its server it follows what it knows.
            work(&world, 1).await;
            world.start_server().await;
            world
                .until("it is refused again", async |world| (versions(world).await.1 == Some(bad)).then_some(()))
                .await;
        }
        let version = push(&world, "").await;
        follows(&world, version).await;
        assert_eq!(versions(&world).await, (Some(version), None, None));
        work(&world, 1).await;
    }
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
    assert_eq!(world.flags(start, Timestamp::now()).await, Vec::<String>::new());
    let (status, answer) = world.put_configuration("[collector]\nnam = \"x\"\n").await;
    assert!(status == 400 && answer.to_string().contains("line 2"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_is_not_reached_with_is_left() {
    let mut world = World::start(PgOptions::default()).await;
    let good = push(&world, "[pg_stats]\ninterval = 7\n").await;
    follows(&world, good).await;
    world.kill_collector();
    world.kill_server();
    // As if another one had come, and then nothing more from the server.
    let path = world.path("collector/pushed.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept["good"]["version"], good);
    kept["newest"] = serde_json::json!({ "version": good + 1, "tag": "\"x\"", "text": "[pg_stats]\ninterval = 9\n" });
    std::fs::write(&path, kept.to_string()).unwrap();
    let followed = said(&world, FOLLOWED);
    world.config_trial = Some("1s");
    world.start_collector();
    world.until("it goes back", async |world| (said(world, "going back") > 0).then_some(())).await;
    world.until("it follows the one before", async |world| (said(world, FOLLOWED) > followed).then_some(())).await;
    world.start_server().await;
    follows(&world, good).await;
    assert_eq!(versions(&world).await.1, None, "the server wants the good one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_knows_its_server_alone_gets_the_rest() {
    let mut world = World::start(PgOptions::default()).await;
    world.kill_collector();
    let plain = world.configuration("bare");
    let (own, _) = plain.split_once("[[instances]]").unwrap();
    world.start_collector_by(&own.replace("\"test\"", "\"bare\""));
    let id = world
        .until("it registers", async |world| {
            let collectors = world.get("/collectors").await?;
            let bare = collectors["data"].as_array()?.iter().find(|collector| collector["name"] == "bare").cloned();
            bare?["id"].as_str().map(str::to_owned)
        })
        .await;
    let dsn = world.pg.dsn("postgres").replace("user=postgres", "user=pganalytics");
    let (status, _) =
        world.put_configuration_of(&id, &format!("[[instances]]\nname = \"pushed\"\ndsn = {dsn:?}\n")).await;
    assert!(status.is_success());
    world.until("it watches", async |world| world.listed("pushed").await).await;
    // What it follows is not known any more, and what answers for the server knows nothing of it: the instance stays.
    let lanes = |world: &World| {
        let lanes = std::fs::read_dir(world.path("bare/instances")).unwrap();
        lanes.map(|lane| lane.unwrap().path()).collect::<Vec<_>>()
    };
    let before = lanes(&world);
    world.kill_collector();
    std::fs::write(world.path("bare/pushed.json"), "{").unwrap();
    let followed = said(&world, FOLLOWED);
    world.start_collector_by(&own.replace("\"test\"", "\"bare\""));
    world.until("it is asked for anew", async |world| (said(world, FOLLOWED) > followed).then_some(())).await;
    assert!(said(&world, "is not known any more") > 0);
    assert_eq!(lanes(&world), before, "it goes on where it was");
}
