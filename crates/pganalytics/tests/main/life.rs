//! Instances whose collector lost its state, was replaced by another one, or calls them by another name.

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::PgOptions;

use crate::world::World;

/// Runs a statement of `app_a` so many times.
async fn work(world: &World, statement: &str, times: usize) {
    let client = world.connect("app_a", "one").await;
    for _ in 0..times {
        client.simple_query(statement).await.unwrap();
    }
}

/// Calls and texts of the statements of `app_a`, as an instance has them.
async fn calls(world: &World, id: i64, start: Timestamp) -> (i64, Vec<String>) {
    let path = format!("/instances/{id}/queries?start={start}&end={}&user=app_a&trend=false", Timestamp::now());
    let answer = world.get(&path).await.unwrap();
    let rows = answer["data"].as_array().unwrap();
    let texts = rows.iter().filter_map(|row| row["query"].as_str()).map(str::to_owned);
    (rows.iter().map(|row| row["calls"].as_i64().unwrap()).sum(), texts.collect())
}

/// Waits until an instance has so many calls.
async fn counted(world: &World, id: i64, start: Timestamp, expected: i64) {
    let what = format!("instance {id} has {expected} calls");
    world.until(&what, async |world| (calls(world, id, start).await.0 >= expected).then_some(())).await;
    assert_eq!(calls(world, id, start).await.0, expected, "each once");
}

/// Number and name of all instances of the fleet.
async fn fleet(world: &World) -> Vec<(i64, String)> {
    let fleet = world.get("/instances").await.unwrap();
    let one = |one: &Value| (one["id"].as_i64().unwrap(), one["name"].as_str().unwrap().to_owned());
    let mut all: Vec<_> = fleet["data"].as_array().unwrap().iter().map(one).collect();
    all.sort();
    all
}

/// Waits until somebody else delivers an instance: so often was it handed over.
async fn handed_over(world: &World, id: i64, times: usize) {
    let path = format!("/instances/{id}/life");
    let over = async |world: &World| {
        let life = world.get(&path).await?;
        let changes = life["changes"].as_array()?.iter().filter(|change| change["change"] == "adopted");
        (changes.count() == times).then_some(())
    };
    world.until(&format!("instance {id} went on for the time {times}"), over).await;
}

#[tokio::test]
async fn who_lost_its_state_or_has_another_name_goes_on_with_the_same_instances() {
    let start = Timestamp::now();
    let (mut world, standby) = World::pair(testkit::replication_pair(PgOptions::default()).await.unwrap()).await;
    world.until("the standby is known", async |world| world.listed("standby").await).await;
    let before = fleet(&world).await;
    assert_eq!(before.len(), 2, "{before:?}");
    let main = world.instance;
    work(&world, "select 'before'", 11).await;
    counted(&world, main, start, 11).await;

    // Its directory is gone: it registers as another one.
    world.kill_collector();
    let anew = world.configuration("anew");
    world.start_collector_by(&anew);
    for (id, _) in &before {
        handed_over(&world, *id, 1).await;
    }
    assert_eq!(fleet(&world).await, before, "a primary and its standby, each as it was");
    world.settle().await;
    work(&world, "select 'after'", 13).await;
    counted(&world, main, start, 24).await;
    drop(standby);

    // In its file it has another name.
    world.kill_collector();
    world.start_collector_by(&anew.replace("name = \"main\"", "name = \"prod „1“ 🐘\""));
    handed_over(&world, main, 2).await;
    world.settle().await;
    work(&world, "select 'renamed'", 5).await;
    counted(&world, main, start, 29).await;
    assert!(fleet(&world).await.contains(&(main, "prod „1“ 🐘".to_owned())));

    // The directory of before is found again: what is read from it now is no part of the same instance.
    world.start_another("collector");
    let twin = world.until("it is another instance", async |world| world.listed("main").await?["id"].as_i64());
    let twin = twin.await;
    assert_ne!(twin, main);
    work(&world, "select 'both'", 3).await;
    counted(&world, main, start, 32).await;
    let told = world.listed("main").await.unwrap()["reasons"].to_string();
    assert!(told.contains(&format!("The same PostgreSQL is watched as instance {main}")), "{told}");
}

#[tokio::test]
async fn an_instance_moves_from_one_collector_to_another() {
    let start = Timestamp::now();
    let mut world = World::start(PgOptions::default()).await;
    let main = world.instance;
    work(&world, "select 1", 11).await;
    counted(&world, main, start, 11).await;

    // Both deliver: each has an instance of its own.
    world.start_another("second");
    let twin = world.until("both are listed", async |world| {
        let all = fleet(world).await;
        all.iter().map(|(id, _)| *id).find(|id| *id != main)
    });
    let twin = twin.await;
    let known = async |world: &World| world.get(&format!("/instances/{twin}")).await?["tps"].as_f64();
    world.until("the other one is read", known).await;
    work(&world, "select 1, 2", 7).await;
    counted(&world, twin, start, 7).await;
    counted(&world, main, start, 18).await;

    // The first one dies in the middle of it.
    world.kill_collector();
    world
        .until("the first is not read any more", async |world| {
            let told = world.get(&format!("/instances/{main}")).await?;
            let read: Timestamp = told["watched"]["last_reading"].as_str()?.parse().ok()?;
            (Timestamp::now().duration_since(read).as_secs() > 65).then_some(())
        })
        .await;
    let life = world.change_instance(main, "continue", json!({"from": twin, "why": "moved"})).await;
    assert_eq!((&life["changes"][0]["change"], &life["changes"][0]["why"]), (&json!("continued"), &json!("moved")));
    work(&world, "select 1, 2, 3", 5).await;
    counted(&world, main, start, 23).await;
    assert_eq!(calls(&world, twin, start).await.0, 7, "it ended there");
    assert_eq!(fleet(&world).await.len(), 1);
    // Its text was told as the other's, and is told again.
    world
        .until("the texts are there", async |world| {
            let (_, texts) = calls(world, main, start).await;
            (texts.len() == 3).then_some(())
        })
        .await;
    // Retired by hand, it is back with its next reading.
    world.kill_another();
    world
        .until("it may be retired", async |world| {
            let told = world.get(&format!("/instances/{main}")).await?;
            let read: Timestamp = told["watched"]["last_reading"].as_str()?.parse().ok()?;
            (Timestamp::now().duration_since(read).as_secs() > 65).then_some(())
        })
        .await;
    world.change_instance(main, "retire", json!({"why": "gone"})).await;
    assert_eq!(fleet(&world).await, []);
    world.start_another("second");
    let back = world.until("it is back", async |world| fleet(world).await.first().cloned());
    assert_eq!(back.await.0, main);
    counted(&world, main, start, 23).await;
}
