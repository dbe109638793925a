//! A real queue for a lock, seen through collector, server and API.

use serde_json::Value;
use testkit::{Pg, PgOptions};
use tokio_postgres::Client;

use crate::world::World;

/// A client on a connection of its own, and its process id.
async fn session(pg: &Pg) -> (Client, i32) {
    let client = pg.connect("one").await.unwrap();
    let pid = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    (client, pid)
}

/// The newest reading, once so many wait in it.
async fn queue_of(world: &World, blocked: u64) -> Value {
    let path = format!("/instances/{}/locks", world.instance);
    let read = async |world: &World| world.get(&path).await.filter(|locks| locks["blocked"].as_u64() == Some(blocked));
    world.until("the queue is read", read).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_for_a_lock_is_a_tree() {
    let world = World::start(PgOptions::default()).await;
    let (holder, a) = session(&world.pg).await;
    let (second, b) = session(&world.pg).await;
    let (third, c) = session(&world.pg).await;
    let (idle, d) = session(&world.pg).await;
    holder.simple_query("create table stock (id int)").await.unwrap();
    let max: String = idle.query_one("show max_connections", &[]).await.unwrap().get(0);
    holder.simple_query("begin; insert into stock values (1)").await.unwrap();
    idle.simple_query("begin; select 1").await.unwrap();
    let second = tokio::spawn(async move { second.simple_query("alter table stock add n int").await.map(drop) });
    queue_of(&world, 1).await;
    let third = tokio::spawn(async move { third.simple_query("select count(*) from stock").await.map(drop) });
    let locks = queue_of(&world, 2).await;
    let data = locks["data"].as_array().unwrap();
    let shape: Vec<_> =
        data.iter().map(|one| ["pid", "level", "blocks"].map(|name| one[name].as_i64().unwrap())).collect();
    assert_eq!(shape, [[i64::from(a), 1, 2], [i64::from(b), 2, 1], [i64::from(c), 3, 0]], "{locks}");
    assert_eq!([&data[0]["state"], &data[0]["holds"]], ["idle in transaction", "RowExclusiveLock"]);
    assert_eq!([&data[1]["mode"], &data[1]["query"]], ["AccessExclusiveLock", "alter table stock add n int"]);
    assert_eq!([&data[2]["mode"], &data[2]["database"]], ["AccessShareLock", "one"]);
    assert!(data[1]["waiting_ms"].as_f64() > data[2]["waiting_ms"].as_f64(), "{locks}");
    assert_eq!(locks["oldest_wait_ms"], data[1]["waiting_ms"]);
    assert!(locks["peak"]["blocked"] == 2 && locks["blockers"] == 1, "{locks}");

    world.settle().await;
    let instance = format!("/instances/{}", world.instance);
    let activity = world.get(&format!("{instance}/activity?database=one")).await.unwrap();
    let of = |pid: i32| activity["data"].as_array().unwrap().iter().find(|one| one["pid"] == pid).unwrap();
    assert_eq!(of(d)["state"], "idle in transaction");
    assert!(of(d)["wait_class"].is_null() && of(d)["xact_age_ms"].as_f64() > Some(0.0), "{activity}");
    assert_eq!([&of(b)["wait_class"], &of(b)["wait_event"]], ["Lock", "relation"]);

    let waits = world.get(&format!("{instance}/waits?class=Lock")).await.unwrap();
    assert_eq!(waits["series"][0]["name"], "relation");
    let values = waits["series"][0]["values"].as_array().unwrap().iter().filter_map(Value::as_f64);
    let most = values.fold(0.0, f64::max);
    assert!(most > 0.0 && most <= 2.0, "{waits}");

    let connections = world.get(&format!("{instance}/connections")).await.unwrap();
    let state = |name: &str| connections["states"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(state("idle in transaction")["sessions"], 2, "{connections}");
    assert_eq!(connections["limit"].as_i64().unwrap().to_string(), max);
    assert_eq!(connections["reserved"], 3);

    holder.simple_query("commit").await.unwrap();
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    let free = queue_of(&world, 0).await;
    assert_eq!(free["data"], serde_json::json!([]));
    let then = world.get(&format!("{instance}/locks?at={}", locks["at"].as_str().unwrap())).await.unwrap();
    assert_eq!(then["data"], locks["data"], "the past moment is still there");
}
