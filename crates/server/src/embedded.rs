//! The store without `DATABASE_URL`: a private PostgreSQL cluster in `DATA_DIR`, with the same schema and
//! code as any other store.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cluster::{Cluster, ClusterOptions, Condition, Keeper, Mode, Start};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use store::{READER, StoreError, too_old};

use crate::occupancy::{self, Guest, Owner, pause};

/// The database in the private cluster.
const DATABASE: &str = "pganalytics";
/// The role that Grafana signs in as.
const GRAFANA: &str = "pganalytics_grafana";
/// The cluster's folder in `DATA_DIR`.
pub(crate) const FOLDER: &str = "postgresql";
/// What differs from PostgreSQL's own defaults: a store is written in large transactions and read rarely.
const STORE_SETTINGS: [(&str, &str); 6] = [
    ("max_connections", "100"),
    ("shared_buffers", "128MB"),
    ("max_wal_size", "1GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_compression", "on"),
    ("jit", "off"),
];

/// How long a command waits for a server that is starting or stopping.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the cluster may say that it is starting up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// A private cluster that runs.
#[derive(Debug)]
pub struct Embedded {
    kept: Kept,
    part: Part,
    dsn: String,
}

#[derive(Debug)]
enum Kept {
    Cluster(Box<Cluster>),
    Keeper(Keeper),
}

/// A command found nothing to work on.
#[derive(Debug, thiserror::Error)]
#[error("there is no store in {}", .0.display())]
pub struct NoStore(PathBuf);

/// What this process is to the cluster.
#[derive(Debug)]
enum Part {
    /// It may start it; whether it also stops it at the end.
    Owner { owner: Owner, stops: bool },
    /// Another process does.
    Guest { _guest: Guest },
}

/// Before a cluster is made: what is installed must be new enough for a store.
fn refuse_old(options: &ClusterOptions) -> anyhow::Result<()> {
    if options.data_dir.join("PG_VERSION").exists() {
        return Ok(());
    }
    let Ok(newest) = cluster::Binaries::find(None) else { return Ok(()) };
    too_old(newest.major(), newest.version()).map_or(Ok(()), |reason| bail!(reason))
}

impl Embedded {
    /// Starts the cluster of a data directory for its owner, making it at the first start; one that an owner before
    /// left running is adopted, and listens where it did. Blocks, at the first start for several seconds.
    ///
    /// # Errors
    /// When PostgreSQL's server is not installed, or does not start; the message quotes its log.
    pub fn start(owner: Owner, data_dir: &Path, listen: Option<SocketAddr>) -> anyhow::Result<Self> {
        let options = options(data_dir, listen);
        refuse_old(&options)?;
        if !options.data_dir.join("PG_VERSION").exists() {
            tracing::info!(path = %options.data_dir.display(), "making a private PostgreSQL cluster for the store");
        }
        let mut cluster = Cluster::open_or_create(options)?;
        let adopted = cluster.start()? == Start::Adopted;
        tracing::info!(version = cluster.binaries().version(), adopted, "the private PostgreSQL cluster runs");
        Ok(Self::of(cluster, Part::Owner { owner, stops: true }))
    }

    /// Takes a data directory for a server.
    ///
    /// # Errors
    /// When another process has it; the message names it.
    pub fn claim(data_dir: &Path) -> anyhow::Result<Owner> {
        match occupancy::claim(data_dir)? {
            Ok(owner) => Ok(owner),
            Err(occupant) => bail!(
                "another server ({occupant}) is using DATA_DIR {}: stop it first, or give this one a directory of its own",
                data_dir.display()
            ),
        }
    }

    /// The cluster for a command: a running server's, which is left to it; else it is started, and stopped again at
    /// the end unless it ran. Waits for a server that starts or stops. Blocks.
    ///
    /// # Errors
    /// When there is no cluster and none is to be made, or it does not run in time.
    pub fn join(data_dir: &Path, may_make: bool) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let options = options(data_dir, None);
            let version = options.data_dir.join("PG_VERSION");
            let made = version.try_exists().with_context(|| format!("look for the store in {}", data_dir.display()))?;
            if !made && !may_make && !data_dir.join(occupancy::OWNER).exists() {
                bail!(NoStore(data_dir.to_path_buf()));
            }
            refuse_old(&options)?;
            match occupancy::claim(data_dir)? {
                Ok(_) if !made && !may_make => bail!(NoStore(data_dir.to_path_buf())),
                Ok(owner) => {
                    let mut cluster = Cluster::open_or_create(options)?;
                    let stops = cluster.start()? == Start::Started;
                    return Ok(Self::of(cluster, Part::Owner { owner, stops }));
                }
                Err(occupant) => {
                    if made && let Some(guest) = occupancy::visit(data_dir)? {
                        let mut cluster = Cluster::open(options)?;
                        if cluster.adopt()? {
                            return Ok(Self::of(cluster, Part::Guest { _guest: guest }));
                        }
                    }
                    if Instant::now() >= deadline {
                        bail!(
                            "{occupant} is using {}, but its PostgreSQL is not to be seen from here: run this where \
                             the server runs, or try again when it is up",
                            data_dir.display()
                        );
                    }
                    pause();
                }
            }
        }
    }

    fn of(cluster: Cluster, part: Part) -> Self {
        let dsn = cluster.dsn(DATABASE);
        Self { kept: Kept::Cluster(Box::new(cluster)), part, dsn }
    }

    /// Watches the cluster from here on, and starts it again when it ends. A guest leaves that to the owner.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn keep(self) -> Result<Self, cluster::Error> {
        let Self { kept, part, dsn } = self;
        let kept = match (kept, &part) {
            (Kept::Cluster(cluster), Part::Owner { .. }) => Kept::Keeper(Keeper::keep(*cluster)?),
            (kept, _) => kept,
        };
        Ok(Self { kept, part, dsn })
    }

    /// Whether the cluster is there, once it is watched.
    #[must_use]
    pub fn condition(&self) -> Option<Condition> {
        match &self.kept {
            Kept::Keeper(keeper) => Some(keeper.condition()),
            Kept::Cluster(_) => None,
        }
    }

    /// Makes the database where it is missing, and says how to connect to it. A cluster that was on its way out when
    /// it was adopted is started anew.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn prepare(&mut self) -> anyhow::Result<String> {
        let client = self.first_connection().await?;
        let found = client.query_opt("select 1 from pg_database where datname = $1", &[&DATABASE]).await?;
        if found.is_none() {
            match client.execute(&format!("create database {DATABASE}"), &[]).await {
                // A server and a command at the same moment: the other one made it.
                Err(error)
                    if matches!(error.code(), Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION)) => {}
                made => _ = made?,
            }
        }
        Ok(self.dsn.clone())
    }

    async fn first_connection(&mut self) -> anyhow::Result<Client> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            let Kept::Cluster(cluster) = &mut self.kept else { bail!("the cluster is watched already") };
            match tokio_postgres::connect(&cluster.dsn("postgres"), NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return Ok(client);
                }
                Err(error) if Instant::now() < deadline && is_passing(&error) => {
                    tracing::debug!(%error, "the private PostgreSQL cluster does not take connections yet");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    if matches!(self.part, Part::Owner { .. }) && !cluster.is_running() {
                        cluster.start()?;
                        self.dsn = cluster.dsn(DATABASE);
                    }
                }
                Err(error) => return Err(error).context("connect to the private PostgreSQL cluster"),
            }
        }
    }

    /// Where it listens over TCP.
    #[must_use]
    pub fn listens(&self) -> Option<(&str, u16)> {
        match &self.kept {
            Kept::Cluster(cluster) => cluster.listens(),
            Kept::Keeper(_) => None,
        }
    }

    /// Lets the role of dashboards in over TCP, with this password. Nobody else has one.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn admit_reader(&self, password: &str) -> Result<(), StoreError> {
        let (client, connection) = tokio_postgres::connect(&self.dsn, NoTls).await?;
        let driver = tokio::spawn(connection);
        for (role, how) in [(READER, "nologin"), (GRAFANA, "login connection limit 10")] {
            if client.query_opt("select 1 from pg_roles where rolname = $1", &[&role]).await?.is_none() {
                client.execute(&format!("create role {role} {how}"), &[]).await?;
            }
        }
        client.execute(&format!("grant {READER} to {GRAFANA}"), &[]).await?;
        for setting in ["default_transaction_read_only = on", "statement_timeout = '30s'"] {
            client.execute(&format!("alter role {GRAFANA} set {setting}"), &[]).await?;
        }
        let quote = "select format('alter role %I password %L', $1::text, $2::text)";
        let statement: String = client.query_one(quote, &[&GRAFANA, &password]).await?.get(0);
        client.execute(&statement, &[]).await?;
        drop(client);
        driver.abort();
        if let Some((address, port)) = self.listens() {
            tracing::info!(address, port, role = GRAFANA, "the private PostgreSQL cluster listens");
        }
        Ok(())
    }

    /// Stops the cluster in order, if it is this process's to stop; commands that use it finish first. Blocks.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(self) -> Result<(), cluster::Error> {
        let Part::Owner { owner, stops } = self.part else { return Ok(()) };
        let cluster = match self.kept {
            Kept::Cluster(cluster) => Some(*cluster),
            Kept::Keeper(keeper) => keeper.release(),
        };
        // No guest comes in, and nobody else owns the directory, before the cluster has stopped.
        let _closed = owner.see_guests_off();
        match cluster {
            Some(mut cluster) if stops => cluster.stop(Mode::Fast).map(|_| ()),
            _ => Ok(()),
        }
    }
}

fn options(data_dir: &Path, listen: Option<SocketAddr>) -> ClusterOptions {
    let mut options = ClusterOptions::new(place(data_dir));
    options.name = "pganalytics-store".to_owned();
    options.listen = listen.map(|address| (address.ip().to_string(), address.port()));
    for (name, value) in STORE_SETTINGS {
        options = options.setting(name, value);
    }
    options
}

fn place(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// Whether a first connection may fail so: a socket that has just gone, a postmaster that starts or ends.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    error.code().is_none_or(|state| {
        [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(state)
    })
}
