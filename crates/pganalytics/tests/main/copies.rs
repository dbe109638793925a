//! Two collectors with one identity: the newest is taken, the other one is told why not, and nothing is counted twice.

use jiff::Timestamp;
use testkit::PgOptions;

use crate::spool::{copy, work};
use crate::world::{Ledger, World, assert_exact, assert_lower_bound, between};

/// Whether the collector's log has this since some length of it.
fn logged(world: &World, since: usize, words: &str) -> Option<()> {
    let log = std::fs::read_to_string(world.path("collector.log")).unwrap_or_default();
    log.get(since..).is_some_and(|log| log.contains(words)).then_some(())
}

/// Nothing so far is above what happened; work from here on is exact.
async fn right_since(world: &World, start: Timestamp, before: &Ledger) {
    let after = world.truth().await;
    world.settle().await;
    assert_lower_bound(&world.stored(start, Timestamp::now()).await, &between(before, &after));
    let (from, then) = (Timestamp::now(), world.truth().await);
    work(world, 2).await;
    let now = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(from, Timestamp::now()).await, &between(&then, &now));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_one_identity_the_newest_is_taken_and_nothing_counts_twice() {
    let mut world = World::start(PgOptions::default()).await;
    let (start, before) = (Timestamp::now(), world.truth().await);
    work(&world, 3).await;
    world.settle().await;
    world.kill_collector();
    copy(&world.path("collector"), &world.path("copy"));
    world.start_collector();
    work(&world, 3).await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &world.truth().await));

    world.start_another("copy");
    let told = "Another collector with this identity began at";
    world.until("the older one is told", async |world| logged(world, 0, told)).await;
    assert!(logged(&world, 0, "pganalytics collector register --again").is_some());
    world
        .until("the fleet tells it", async |world| {
            let reasons = world.listed("main").await?["reasons"].to_string();
            reasons.contains("Two collectors run with one identity: the one on host").then_some(())
        })
        .await;
    work(&world, 3).await;
    right_since(&world, start, &before).await;

    // Both read on while nobody takes anything; afterwards the same one is taken.
    world.kill_server();
    work(&world, 3).await;
    world.start_server().await;
    right_since(&world, start, &before).await;

    // The newer one ends; the older one is taken when it begins anew, without what the other one had counted.
    world.kill_another();
    work(&world, 3).await;
    world.kill_collector();
    let length = std::fs::read_to_string(world.path("collector.log")).unwrap().len();
    world.start_collector();
    right_since(&world, start, &before).await;
    assert_eq!(logged(&world, length, told), None);
    let reasons = world.listed("main").await.unwrap()["reasons"].to_string();
    assert!(!reasons.contains("one identity"), "{reasons}");
}
