//! A spool that is damaged, restored, full, or on a full disk: nothing is above the truth, and what is missing is flagged
//! and counted.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use testkit::PgOptions;

use crate::statements::statement;
use crate::world::{World, assert_exact, assert_lower_bound, between};

/// Work that is read before it goes on: one cycle has each of them.
pub(crate) async fn work(world: &World, rounds: usize) {
    let client = world.connect("app_a", "one").await;
    for _ in 0..rounds {
        for n in 0..20 {
            client.simple_query(&statement(n)).await.unwrap();
        }
    }
}

fn segments(world: &World) -> Vec<PathBuf> {
    let files = std::fs::read_dir(world.spool()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    files.sort();
    files
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Everything is exact and delivered, the collector is killed, `harm` is done to its state, it starts again: the sums
/// are no more than what happened, and what is missing is flagged and counted for `reason`.
async fn after(harm: impl AsyncFn(&World), reason: &str) {
    let mut world = World::start(PgOptions::default()).await;
    let start = Timestamp::now();
    let before = world.truth().await;
    copy(&world.path("collector"), &world.path("old"));
    for _ in 0..4 {
        work(&world, 5).await;
        world.settle().await;
    }
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &world.truth().await));
    world.kill_collector();
    harm(&world).await;
    work(&world, 3).await;
    world.start_collector();
    world.settle().await;
    work(&world, 7).await;
    let after = world.truth().await;
    world.settle().await;
    let (stored, happened) = (world.stored(start, Timestamp::now()).await, between(&before, &after));
    assert_lower_bound(&stored, &happened);
    let calls = |ledger: &crate::world::Ledger| ledger.values().map(|work| work.calls).sum::<i64>();
    assert!(calls(&stored) >= 20 * (4 * 5), "what was delivered before is there: {}", calls(&stored));
    if calls(&stored) < calls(&happened) {
        let flags = world.flags(start, Timestamp::now()).await;
        assert!(flags.iter().any(|flag| flag == reason || flag == "gap"), "{flags:?}");
        let delivery = world.delivery().await;
        let discarded = delivery["discarded"].as_array().unwrap();
        let counted = discarded.iter().find(|one| one["reason"] == reason && one["set"] == "pg_stat_statements");
        assert!(counted.is_some_and(|one| one["readings"].as_i64() >= Some(1)), "{discarded:?}");
    }
    // From here on it is exact again.
    let (start, before) = (Timestamp::now(), world.truth().await);
    work(&world, 2).await;
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_flagged_and_counted() {
    let flip = async |world: &World| {
        let path = segments(world).remove(0);
        let mut content = std::fs::read(&path).unwrap();
        let quarter = content.len() / 4;
        content[quarter] ^= 1;
        std::fs::write(&path, content).unwrap();
    };
    after(flip, "damaged").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_state_directory_is_flagged_and_counted() {
    let restore = async |world: &World| {
        std::fs::remove_dir_all(world.path("collector")).unwrap();
        copy(&world.path("old"), &world.path("collector"));
    };
    after(restore, "restored").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_files_are_flagged_and_counted() {
    let delete = async |world: &World| segments(world).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    after(delete, "restored").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_spool_is_flagged_and_counted() {
    let remove = async |world: &World| std::fs::remove_dir_all(world.path("collector/instances")).unwrap();
    after(remove, "damaged").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shortened_file_is_flagged_and_counted() {
    let shorten = async |world: &World| {
        let path = segments(world).pop().unwrap();
        let content = std::fs::read(&path).unwrap();
        std::fs::write(&path, &content[..content.len() / 4]).unwrap();
    };
    after(shorten, "restored").await;
}

/// The older state begins to read while nobody can tell it that it is older.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_state_directory_during_an_outage_counts_nothing_twice() {
    let mut world = World::start(PgOptions::default()).await;
    let start = Timestamp::now();
    let before = world.truth().await;
    copy(&world.path("collector"), &world.path("old"));
    work(&world, 5).await;
    world.settle().await;
    world.kill_collector();
    world.kill_server();
    std::fs::remove_dir_all(world.path("collector")).unwrap();
    copy(&world.path("old"), &world.path("collector"));
    world.start_collector();
    let size = |world: &World| segments(world).iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    for _ in 0..3 {
        let now = size(&world);
        world.until("another cycle is spooled", async |world| (size(world) > now).then_some(())).await;
        work(&world, 2).await;
    }
    world.start_server().await;
    let after = world.truth().await;
    world.settle().await;
    let end = Timestamp::now();
    assert_lower_bound(&world.stored(start, end).await, &between(&before, &after));
    // The record after the one that told the state to be older says what was dropped.
    world
        .until("what was dropped is flagged", async |world| {
            let flags = world.flags(start, end).await;
            flags.iter().any(|flag| flag == "restored").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_flags_what_it_drops() {
    let mut world = World::start(PgOptions::default()).await;
    world.kill_collector();
    world.spool_max_bytes = Some(1 << 20);
    world.start_collector();
    world.settle().await;
    let start = Timestamp::now();
    let before = world.truth().await;
    work(&world, 3).await;
    world.settle().await;
    world.kill_server();
    let oldest = segments(&world).remove(0);
    // Until the first file with records that nobody has is dropped.
    let first_waiting = segments(&world).pop().unwrap();
    assert!(oldest <= first_waiting);
    world
        .until("the oldest is dropped", async |world| {
            work(world, 1).await;
            (!first_waiting.exists() && segments(world).len() > 1).then_some(())
        })
        .await;
    let after = world.truth().await;
    world.start_server().await;
    world.settle().await;
    let end = Timestamp::now();
    let (stored, happened) = (world.stored(start, end).await, between(&before, &after));
    assert_lower_bound(&stored, &happened);
    // The newest record goes in between: the one that tells what was dropped comes in its turn.
    world
        .until("what was dropped is flagged", async |world| {
            let flags = world.flags(start, end).await;
            flags.iter().any(|flag| flag == "spool_full").then_some(())
        })
        .await;
    let delivery = world.delivery().await;
    let full = |one: &&serde_json::Value| one["reason"] == "spool_full" && one["set"] == "pg_stat_statements";
    assert!(delivery["discarded"].as_array().unwrap().iter().find(full).unwrap()["rows"].as_i64() > Some(0));
}

/// A disk that takes nothing more, by a limit of the process: what it says reaches the server from memory, and no work
/// is lost, since the next cycle covers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_told_and_costs_nothing() {
    let world = World::start(PgOptions::default()).await;
    let start = Timestamp::now();
    let before = world.truth().await;
    work(&world, 2).await;
    let limit = |bytes: &str| {
        let pid = world.collector_pid().to_string();
        let set =
            Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status().unwrap();
        assert!(set.success());
    };
    limit("1");
    world
        .until("the server knows that nothing can be spooled", async |world| {
            let spool = world.delivery().await["spool"].clone();
            (spool["error"].as_str()?.contains("File too large") && spool["unspooled_cycles"].as_i64()? > 1)
                .then_some(())
        })
        .await;
    let said = "The collector cannot write its spool since ";
    let reasons = async || world.get(&format!("/instances/{}", world.instance)).await.unwrap()["reasons"].to_string();
    assert!(reasons().await.contains(said), "{}", reasons().await);
    work(&world, 3).await;
    limit("unlimited");
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
    assert!(world.delivery().await["spool"]["error"].is_null());
    assert!(!reasons().await.contains(said), "{}", reasons().await);
}
