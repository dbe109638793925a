//! Clears away the clusters of tests that were killed.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use cluster::{Cluster, Mode};

use crate::place::{self, Owner};

/// An immediate stop takes milliseconds; what takes longer is left for the next test.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Stops and deletes every cluster whose owner is dead; whoever comes while another is at it goes on.
pub(crate) fn reap() -> anyhow::Result<()> {
    let base = place::base()?;
    let Some(_lock) = place::try_lock(&base.join("reaper.lock"))? else { return Ok(()) };
    let clusters = place::clusters(&base)?;
    for entry in std::fs::read_dir(&clusters).context("list the tests' clusters")? {
        let entry = entry.context("list the tests' clusters")?;
        let owner = entry.file_name().to_str().and_then(Owner::in_name);
        if owner.is_some_and(|owner| !owner.is_alive()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Stops the clusters in a directory and deletes it.
pub(crate) fn remove(directory: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().join("PG_VERSION").exists() {
            Cluster::stop_in(&entry.path(), Mode::Immediate, STOP_LIMIT).context("stop a leftover cluster")?;
        }
    }
    match std::fs::remove_dir_all(directory) {
        // Its owner's watcher or the owner itself was faster.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}
