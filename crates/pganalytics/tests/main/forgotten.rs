//! The server has lost what it acknowledged: the collector is registered anew, the store is put back to a copy, or
//! empty. Names, settings and texts, which are sent once, are there again.

use std::collections::BTreeSet;

use testkit::PgOptions;

use crate::world::World;

/// Everything that is sent once, of the instance of the collector that is registered.
const SENT_ONCE: &str = "with main as (
        select i.id from metrics.instances i join pganalytics.collectors c on c.id = i.collector_id
        where i.name = 'main' and c.revoked_at is null)
    select 'database ' || datname from metrics.pg_database, main where instance_id = id and not removed
    union select 'role ' || rolname from metrics.pg_roles, main where instance_id = id and not removed
    union select 'relation ' || datid_read || ' ' || relname from metrics.pg_class, main
        where instance_id = id and not removed
    union select 'index ' || datid_read || ' ' || indexrelid from metrics.pg_index, main
        where instance_id = id and not removed
    union select 'setting ' || name from metrics.pg_settings, main where instance_id = id and not removed
    union select 'text ' || dbid || ' ' || query from metrics.texts, main where instance_id = id";

/// What the store has; `None` while it has not even the tables.
async fn stored(world: &World) -> Option<BTreeSet<String>> {
    let rows = world.store_connection().await.query(SENT_ONCE, &[]).await.ok()?;
    Some(rows.iter().map(|row| row.get(0)).collect())
}

/// Makes a database, a role, a table and a statement of this name; what the store has when it has them, too.
async fn with(world: &World, name: &str) -> BTreeSet<String> {
    let admin = world.pg.connect("one").await.unwrap();
    for statement in [
        format!("create database {name}_database"),
        format!("create role {name}_role"),
        format!("create table {name}_table (id int primary key)"),
        format!("select count(*) from {name}_table"),
    ] {
        admin.simple_query(&statement).await.unwrap();
    }
    let stored = world
        .until("all that was made is stored", async |world| {
            let stored = stored(world).await?;
            let has = |what: String| stored.iter().any(|one| one.ends_with(&what));
            let made = [format!("database {name}_database"), format!("role {name}_role"), format!(" {name}_table")];
            (made.into_iter().all(has) && has(format!("select count(*) from {name}_table"))).then_some(stored)
        })
        .await;
    // A later batch tells that the collector has the answer to the one that was stored.
    let before = batches(world).await;
    world.until("what is stored is acknowledged", async |world| (batches(world).await > before).then_some(())).await;
    stored
}

async fn batches(world: &World) -> Option<i64> {
    let sql =
        "select max(upper(seen)) from metrics.ledger where epoch = (select max(epoch::text)::uuid from metrics.ledger)";
    world.store_connection().await.query_one(sql, &[]).await.unwrap().get(0)
}

async fn all_is_there_again(world: &World, before: &BTreeSet<String>) {
    assert!(before.iter().filter(|one| one.starts_with("setting ")).count() > 200, "{before:?}");
    world
        .until("all that is sent once is there again", async |world| {
            stored(world).await?.is_superset(before).then_some(())
        })
        .await;
}

fn said(world: &World, what: &str) -> usize {
    std::fs::read_to_string(world.path("collector.log")).unwrap().matches(what).count()
}

async fn until_it_says_what_mends_it(world: &World) {
    let before = said(world, "`pganalytics collector register --again`");
    world
        .until("the collector names what mends it", async |world| {
            (said(world, "`pganalytics collector register --again`") > before).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_registered_anew_sends_everything_again() {
    let world = World::start(PgOptions::default()).await;
    let before = with(&world, "first").await;
    let still = world.register(&[]);
    assert!(still.status.success() && String::from_utf8_lossy(&still.stdout).contains("registered already as "));
    world.remove_collector().await;
    until_it_says_what_mends_it(&world).await;
    let refused = world.register(&[]);
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && reason.contains("register --again"), "{reason}");
    assert!(world.register(&["--again"]).status.success());
    // The instance is the same one, so that it may have them before they are sent.
    let again = async |world: &World| (said(world, "texts and infos are sent again") > 0).then_some(());
    world.until("all is sent again", again).await;
    all_is_there_again(&world, &before).await;
    assert_eq!(world.listed("main").await.unwrap()["id"].as_i64(), Some(world.instance));
    assert_eq!(said(&world, "texts and infos are sent again"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_put_back_to_a_copy_gets_everything_again() {
    let mut world = World::start(PgOptions::default()).await;
    for (name, runs, times) in [("running", true, 1), ("stopped", false, 2)] {
        world.kill_server();
        let copy = world.copy_store().await;
        world.start_server().await;
        let before = with(&world, name).await;
        if !runs {
            world.kill_collector();
        }
        world.kill_server();
        world.put_store(copy);
        assert!(!stored(&world).await.unwrap().is_superset(&before));
        world.start_server().await;
        if !runs {
            world.start_collector();
        }
        all_is_there_again(&world, &before).await;
        assert_eq!(said(&world, "texts and infos are sent again"), times);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_gets_everything_again() {
    let mut world = World::start(PgOptions::default()).await;
    let before = with(&world, "first").await;
    let registration = world.path("collector/registration.json");
    let store = || {
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&registration).unwrap()).unwrap();
        kept["store_id"].as_str().unwrap().to_owned()
    };
    for is_started_anew in [false, true] {
        world.kill_server();
        world.put_store(testkit::store().await.unwrap());
        std::fs::remove_dir_all(world.path("server")).unwrap();
        world.start_server().await;
        until_it_says_what_mends_it(&world).await;
        let old = store();
        assert!(world.register(&["--again"]).status.success());
        if is_started_anew {
            // As soon as it knows the store, and before it has sent anything again.
            world.until("the new store is known", async |_| (store() != old).then_some(())).await;
            world.kill_collector();
            world.start_collector();
        }
        all_is_there_again(&world, &before).await;
    }
}
