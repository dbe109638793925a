//! The PostgreSQL that the demo watches: a private cluster with `pg_stat_statements`, and the role that watches it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cluster::{Cluster, ClusterOptions, Mode, Start};
use tokio_postgres::Config;

use super::directory::Directory;
use crate::output;

/// The cluster's place in the demo's directory.
const PLACE: &str = "primary";

/// The role that the collector signs in as.
const MONITOR: &str = "pganalytics";

/// What a watched instance should have on, and little memory, so that the report spills and the disk stays small.
pub(super) const SETTINGS: [(&str, &str); 22] = [
    ("shared_preload_libraries", "pg_stat_statements"),
    ("pg_stat_statements.track", "all"),
    ("track_io_timing", "on"),
    ("track_functions", "all"),
    ("log_lock_waits", "on"),
    ("log_checkpoints", "off"),
    // A file for each hour of the day, overwritten a day later: the log does not grow for ever.
    ("logging_collector", "on"),
    ("log_filename", "postgresql-%H.log"),
    ("log_rotation_age", "1h"),
    ("log_truncate_on_rotation", "on"),
    // Errors of the workload belong to the play; its statements need not fill the log as well.
    ("log_min_error_statement", "panic"),
    ("deadlock_timeout", "1s"),
    ("work_mem", "1MB"),
    ("shared_buffers", "32MB"),
    ("max_connections", "60"),
    // Nobody here prepares transactions, but whoever looks may want to see one that is forgotten.
    ("max_prepared_transactions", "8"),
    ("min_wal_size", "32MB"),
    ("max_wal_size", "96MB"),
    // A standby that does not come back does not fill the disk.
    ("max_slot_wal_keep_size", "1GB"),
    ("autovacuum_naptime", "30s"),
    ("synchronous_commit", "off"),
    ("jit", "off"),
];

/// Where a cluster of the demo is reached.
#[derive(Clone, Debug)]
pub(super) struct Address {
    socket: PathBuf,
    port: u16,
}

impl Address {
    /// Where a cluster is reached.
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self { socket: cluster.socket_dir().to_path_buf(), port: cluster.port() }
    }

    /// How one session connects.
    pub(super) fn config(&self, database: &str, role: &str, application: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.socket).port(self.port).dbname(database).user(role).application_name(application);
        config
    }

    /// The same in libpq's keywords, for a role and a database whose names need no quotes.
    pub(super) fn keywords(&self, database: &str, role: &str) -> String {
        format!("host={} port={} user={role} dbname={database}", self.socket.display(), self.port)
    }

    /// How the collector connects.
    pub(super) fn monitor_dsn(&self) -> String {
        self.keywords("postgres", MONITOR)
    }
}

/// The primary while it runs.
#[derive(Debug)]
pub(super) struct Primary {
    cluster: Cluster,
}

impl Primary {
    /// Starts the primary, making it at the first start; one that an earlier demo left running is adopted.
    pub(super) async fn start(directory: &Directory) -> Result<Self> {
        let mut options = ClusterOptions::new(directory.place(PLACE));
        options.name = "pganalytics-demo".to_owned();
        for (name, value) in SETTINGS {
            options = options.setting(name, value);
        }
        tokio::task::spawn_blocking(move || {
            if options.data_dir.join("PG_VERSION").exists() {
                output::progress("starting the demo's PostgreSQL …");
            } else {
                let binaries = cluster::Binaries::find(None)?;
                output::progress(&format!("making a PostgreSQL {} cluster to watch …", binaries.major()));
                options.binaries = Some(binaries);
            }
            let mut cluster = Cluster::open_or_create(options)?;
            if cluster.start()? == Start::Adopted {
                output::progress("an earlier demo left its PostgreSQL running: taken over");
            }
            Ok::<_, anyhow::Error>(Self { cluster })
        })
        .await
        .context("start the demo's PostgreSQL")?
    }

    /// Where it is reached.
    pub(super) fn address(&self) -> Address {
        Address::of(&self.cluster)
    }

    /// The cluster, for what follows it.
    pub(super) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Drops a replication slot that nobody uses, if it is there.
    pub(super) async fn drop_slot(&self, slot: &str) -> Result<()> {
        let admin = self.address().connect("postgres", self.cluster.superuser(), "demo").await;
        let admin = admin.context("connect to the demo's PostgreSQL")?;
        let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots
                    where slot_name = $1 and not active";
        admin.execute(drop, &[&slot]).await.context("drop the slot of a standby that was never finished")?;
        Ok(())
    }

    /// Makes the extension and the role that watches, where they are missing.
    pub(super) async fn prepare(&self) -> Result<()> {
        let admin = self.address().connect("postgres", self.cluster.superuser(), "demo").await;
        let admin = admin.context("connect to the demo's PostgreSQL")?;
        admin.simple_query("create extension if not exists pg_stat_statements").await.context("make the extension")?;
        if admin.query_opt("select 1 from pg_roles where rolname = $1", &[&MONITOR]).await?.is_none() {
            // Several statements at once are one transaction: the role with its rights, or none.
            let role = format!("create role {MONITOR} login connection limit 5; grant pg_monitor to {MONITOR}");
            admin.simple_query(&role).await.context("make the role that watches")?;
        }
        // Sizes of relations need a right of their own in each database; later ones copy template1.
        let databases = "select datname::text from pg_database where datallowconn";
        for row in admin.query(databases, &[]).await.context("list databases")? {
            let database: String = row.try_get(0)?;
            let admin = self.address().connect(&database, self.cluster.superuser(), "demo").await;
            let grant = format!("grant execute on function pg_catalog.pg_stat_file(text, boolean) to {MONITOR}");
            let admin = admin.context("connect to a database of the demo")?;
            admin.simple_query(&grant).await.context("allow sizes to be read")?;
        }
        Ok(())
    }

    /// Stops it in order.
    pub(super) async fn stop(mut self) -> Result<()> {
        let stopped = tokio::task::spawn_blocking(move || self.cluster.stop(Mode::Fast).map(|_| ())).await;
        stopped.context("stop the demo's PostgreSQL")?.context("stop the demo's PostgreSQL")
    }
}
