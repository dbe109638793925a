//! The configuration changes while the collector runs, by signal and by file, well and badly, with kills in between: no
//! work is lost or counted twice, and nothing is a gap.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::PgOptions;

use crate::spool::work;
use crate::world::{World, assert_exact, between};

pub(crate) const FOLLOWED: &str = "another configuration is in force";
const REFUSED: &str = "the new configuration is refused";
const NOT_FOLLOWED: &str = "the configuration is not followed";

/// How often each way of changing is gone through: `CONFIG_ROUNDS`, which `make test-long` sets.
pub(crate) fn rounds() -> usize {
    std::env::var("CONFIG_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap())
}

/// Whether the collector is told, or finds out.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Signal,
    File,
}

/// How often the collector said this.
pub(crate) fn said(world: &World, what: &str) -> usize {
    std::fs::read_to_string(world.path("collector.log")).unwrap().matches(what).count()
}

/// Writes another configuration, and waits until the collector says this of it once more.
async fn change(world: &World, text: &str, by: By, says: &str) {
    let before = said(world, says);
    std::fs::write(world.path("collector.toml"), text).unwrap();
    if by == By::Signal {
        kill(Pid::from_raw(world.collector_pid().cast_signed()), Signal::SIGHUP).unwrap();
    }
    world.until(says, async |world| (said(world, says) > before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_changes_costs_no_work_and_no_gap() {
    let mut world = World::start(PgOptions::default()).await;
    let (start, before) = (Timestamp::now(), world.truth().await);
    let plain = world.configuration("collector");
    let dsn = world.pg.dsn("postgres").replace("user=postgres", "user=pganalytics");
    let also = |name: &str| format!("{plain}[[instances]]\nname = \"{name}\"\ndsn = {dsn:?}\n");
    let folders = |world: &World| std::fs::read_dir(world.path("collector/instances")).unwrap().count();
    for round in 0..rounds() {
        work(&world, 1).await;
        change(&world, &also("other"), By::Signal, FOLLOWED).await;
        work(&world, 1).await;
        change(&world, &also("other").replace("\ninterval = 1", "\ninterval = 2"), By::Signal, FOLLOWED).await;
        work(&world, 1).await;
        change(&world, &plain.replace("push_interval = 1", "push_interval = 2"), By::Signal, FOLLOWED).await;
        world.until("what is not watched any more is gone", async |world| (folders(world) == 1).then_some(())).await;
        // With the line of what is wrong, and as if nothing had been written.
        change(&world, &plain.replace("name = \"test\"", "nam = \"test\""), By::Signal, REFUSED).await;
        let log = std::fs::read_to_string(world.path("collector.log")).unwrap();
        let refusal = log.lines().rfind(|line| line.contains(REFUSED)).unwrap();
        world
            .until("the server is told of the refusal", async |world| {
                let delivery = world.delivery().await;
                delivery["config_error"].as_str()?.contains("did you mean").then_some(())
            })
            .await;
        assert!(refusal.contains("collector.toml:2: ") && refusal.contains("did you mean"), "{refusal}");
        work(&world, 1).await;
        let elsewhere = plain.replace("/collector\"", "/elsewhere\"");
        assert_ne!(elsewhere, plain);
        change(&world, &elsewhere, By::Signal, NOT_FOLLOWED).await;
        assert!(!world.path("elsewhere").exists());
        if round % 3 == 1 {
            // It starts with what is there. Before it listens a signal would end it, as it does any process.
            let watching = said(&world, "watching");
            world.kill_collector();
            work(&world, 1).await;
            world.start_collector();
            world.until("it watches", async |world| (said(world, "watching") > watching).then_some(())).await;
        }
    }
    // A file that is missing may come.
    let secret = world.path("dsn-of-other");
    let named = format!("{plain}[[instances]]\nname = \"other\"\ndsn_file = {secret:?}\n");
    change(&world, &named, By::Signal, REFUSED).await;
    let followed = said(&world, FOLLOWED);
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&secret).unwrap();
    file.write_all(dsn.as_bytes()).unwrap();
    world.until("it is found", async |world| (said(world, FOLLOWED) > followed).then_some(())).await;
    work(&world, 1).await;
    change(&world, &also("other").replace("push_interval = 1", "push_interval = 2"), By::File, FOLLOWED).await;
    work(&world, 1).await;
    let after = world.truth().await;
    world.settle().await;
    assert_exact(&world.stored(start, Timestamp::now()).await, &between(&before, &after));
    assert_eq!(world.delivery().await["config_error"], serde_json::Value::Null);
    assert_eq!(world.flags(start, Timestamp::now()).await, Vec::<String>::new());
    world.until("the other one is watched too", async |world| world.listed("other").await).await;
}
