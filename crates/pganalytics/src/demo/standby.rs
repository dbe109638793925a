//! The demo's standby: follows the primary through a slot of its own, and now and then does not replay for a while.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cluster::{Cluster, ClusterOptions, Mode, StandbyOptions, Start};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::sleep;

use super::directory::Directory;
use super::primary::{Address, Primary, SETTINGS};
use crate::output;

/// The cluster's place in the demo's directory.
const PLACE: &str = "standby";

/// Its slot on the primary, and its `application_name`.
const SLOT: &str = "demo_standby";

/// What makes the standby from the primary.
const BASE_BACKUP: &str = "pg_basebackup";

/// Until replay is paused for the first time; somebody who has just started the demo should see it.
const FIRST_PAUSE_AFTER: Duration = Duration::from_secs(40);

/// Seconds for which replay is paused, and between two pauses. A lag above 30 s is a warning.
const PAUSED_FOR: std::ops::RangeInclusive<u64> = 20..=45;
const PAUSED_EVERY: std::ops::RangeInclusive<u64> = 150..=270;

/// The standby while it runs.
#[derive(Debug)]
pub(super) struct Standby {
    cluster: Cluster,
    lagging: JoinHandle<()>,
}

impl Standby {
    /// Starts the standby, making it at the first start; one that an earlier demo left running is adopted. `None`
    /// where the installation cannot make one.
    pub(super) async fn start(directory: &Directory, primary: &Primary) -> Result<Option<Self>> {
        let mut options = ClusterOptions::new(directory.place(PLACE));
        options.name = "pganalytics-demo-standby".to_owned();
        for (name, value) in SETTINGS {
            options = options.setting(name, value);
        }
        let made = options.data_dir.join("PG_VERSION").exists();
        if !made && !primary.cluster().binaries().has_program(BASE_BACKUP) {
            output::progress(&format!("no standby: this PostgreSQL comes without {BASE_BACKUP}"));
            return Ok(None);
        }
        if !made {
            // A demo that was killed while it made its standby has left the slot.
            primary.drop_slot(SLOT).await?;
            output::progress("making a standby of it …");
        }
        let cluster = block_in_place(|| {
            let mut cluster = if made {
                let mut cluster = Cluster::open(options)?;
                cluster.follow(primary.cluster(), SLOT)?;
                cluster
            } else {
                Cluster::standby_of(primary.cluster(), StandbyOptions { cluster: options, slot: SLOT.to_owned() })?
            };
            if cluster.start()? == Start::Adopted {
                output::progress("an earlier demo left its standby running: taken over");
            }
            Ok::<_, cluster::Error>(cluster)
        })
        .context("start the demo's standby")?;
        let lagging = tokio::spawn(lag(Address::of(&cluster)));
        Ok(Some(Self { cluster, lagging }))
    }

    /// Where it is reached.
    pub(super) fn address(&self) -> Address {
        Address::of(&self.cluster)
    }

    /// Stops it in order.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.lagging.abort();
        let stopped = tokio::task::spawn_blocking(move || self.cluster.stop(Mode::Fast).map(|_| ())).await;
        stopped.context("stop the demo's standby")?.context("stop the demo's standby")
    }
}

/// Pauses replay now and then, for ever.
async fn lag(address: Address) {
    let mut random = SmallRng::seed_from_u64(7);
    // A demo that was killed in a pause has left replay paused.
    say(&address, "select pg_wal_replay_resume()").await;
    sleep(FIRST_PAUSE_AFTER).await;
    loop {
        say(&address, "select pg_wal_replay_pause()").await;
        sleep(Duration::from_secs(random.random_range(PAUSED_FOR))).await;
        say(&address, "select pg_wal_replay_resume()").await;
        sleep(Duration::from_secs(random.random_range(PAUSED_EVERY))).await;
    }
}

/// Runs one statement on the standby; what fails is tried again with the next pause.
async fn say(address: &Address, statement: &str) {
    let said = async { address.connect("postgres", "postgres", "demo").await?.simple_query(statement).await };
    if let Err(error) = said.await {
        tracing::debug!(%error, statement, "the demo's standby does not listen");
    }
}
