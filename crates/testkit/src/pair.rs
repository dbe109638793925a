//! A primary with a streaming standby.

use anyhow::Context as _;
use cluster::{Cluster, Mode, StandbyOptions};

use crate::pg::{Pg, PgOptions};

/// The standby's slot and `application_name`.
const STANDBY: &str = "standby_1";

/// A primary and its standby; the standby goes first when both are dropped.
#[derive(Debug)]
pub struct Pair {
    /// Follows, through the slot `standby_1`.
    pub standby: Pg,
    /// Is followed.
    pub primary: Pg,
}

/// Starts a primary and a standby of it, both with the same settings.
///
/// # Errors
/// One of them does not start.
pub async fn replication_pair(options: PgOptions) -> anyhow::Result<Pair> {
    let primary = Pg::start(options.clone()).await?;
    let standby = standby_of(&primary, PgOptions { major: Some(primary.major()), ..options }).await?;
    Ok(Pair { standby, primary })
}

/// With `pg_basebackup`, or with a copy of the stopped primary where the installation has the server only.
async fn standby_of(primary: &Pg, options: PgOptions) -> anyhow::Result<Pg> {
    let shared = primary.shared();
    if primary.with(|cluster| cluster.binaries().has_program("pg_basebackup")) {
        return Pg::make(options, move |cluster_options, _, _| {
            let guard = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let followed = guard.as_ref().context("the primary is gone")?;
            let wanted = StandbyOptions { cluster: cluster_options, slot: STANDBY.to_owned() };
            Cluster::standby_of(followed, wanted).context("make a standby")
        })
        .await;
    }
    let client = primary.connect("postgres").await?;
    client
        .query("select pg_create_physical_replication_slot($1, true)", &[&STANDBY])
        .await
        .context("create the standby's slot")?;
    drop(client);
    Pg::make(options, move |cluster_options, _, _| {
        let mut guard = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let followed = guard.as_mut().context("the primary is gone")?;
        followed.stop(Mode::Fast).context("stop the primary")?;
        let copy = Cluster::copy_of(followed.data_dir(), cluster_options).context("copy the primary");
        followed.start().context("start the primary")?;
        let mut standby = copy?;
        standby.follow(followed, STANDBY).context("make the copy a standby")?;
        Ok(standby)
    })
    .await
}
