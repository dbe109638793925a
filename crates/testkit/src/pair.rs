//! A primary with a streaming standby.

use anyhow::Context as _;
use cluster::{Cluster, Error, Mode, StandbyOptions};

use crate::pg::{Pg, PgOptions};

/// The standby's slot and `application_name`.
const STANDBY: &str = "standby_1";

/// The first major whose `pg_basebackup` makes the slot that it streams from.
const BASE_BACKUP_MAKES_SLOTS: u32 = 11;

/// A primary and its standby; the standby goes first when both are dropped.
#[derive(Debug)]
pub struct Pair {
    /// Follows, through the slot `standby_1` or from an archive.
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
    let standby = standby_of(&primary, options.on(&primary)).await?;
    Ok(Pair { standby, primary })
}

/// With `pg_basebackup`, or with a copy of the stopped primary where the installation has the server only.
async fn standby_of(primary: &Pg, options: PgOptions) -> anyhow::Result<Pg> {
    let shared = primary.shared();
    let makes_slots = primary.major() >= BASE_BACKUP_MAKES_SLOTS;
    if makes_slots && primary.with(|cluster| cluster.binaries().has_program("pg_basebackup")) {
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
        .query("select pg_create_physical_replication_slot($1)", &[&STANDBY])
        .await
        .context("create the standby's slot")?;
    drop(client);
    copy_of(primary, options, |standby, followed| standby.follow(followed, STANDBY)).await
}

/// Starts a primary that archives its WAL, and a standby that replays what is archived and connects to nobody.
///
/// # Errors
/// One of them does not start.
pub async fn log_shipping_pair(options: PgOptions) -> anyhow::Result<Pair> {
    let primary = Pg::start(options.clone().setting("archive_mode", "on")).await?;
    let archive = primary.data_dir().join("archive").display().to_string();
    primary.set("archive_command", &format!("mkdir -p {archive} && cp %p {archive}/%f"))?;
    let options = options.on(&primary);
    // Copied while the primary is stopped, which starts again with the command in force.
    let restore_command = format!("cp {archive}/%f %p");
    let standby = copy_of(&primary, options, move |standby, _| standby.restore(&restore_command)).await?;
    Ok(Pair { standby, primary })
}

/// A copy of the stopped primary, made a standby.
async fn copy_of(
    primary: &Pg,
    options: PgOptions,
    stand_by: impl FnOnce(&mut Cluster, &Cluster) -> Result<(), Error> + Send + 'static,
) -> anyhow::Result<Pg> {
    let shared = primary.shared();
    Pg::make(options, move |cluster_options, _, _| {
        let mut guard = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let followed = guard.as_mut().context("the primary is gone")?;
        followed.stop(Mode::Fast).context("stop the primary")?;
        let copy = Cluster::copy_of(followed.data_dir(), cluster_options).context("copy the primary");
        followed.start().context("start the primary")?;
        let mut standby = copy?;
        stand_by(&mut standby, followed).context("make the copy a standby")?;
        Ok(standby)
    })
    .await
}
