//! The store without `DATABASE_URL`: a private PostgreSQL cluster in `DATA_DIR`, with the same schema and
//! code as any other store.

use std::net::SocketAddr;
use std::path::Path;

use cluster::{Cluster, ClusterOptions, Mode, Start};
use tokio_postgres::NoTls;

use super::StoreError;
use super::schema::READER;

/// The database in the private cluster.
const DATABASE: &str = "pganalytics";
/// The role that Grafana signs in as.
const GRAFANA: &str = "pganalytics_grafana";
/// The cluster's folder in `DATA_DIR`.
const FOLDER: &str = "postgresql";
/// What differs from PostgreSQL's own defaults: a store is written in large transactions and read rarely.
const STORE_SETTINGS: [(&str, &str); 6] = [
    ("max_connections", "100"),
    ("shared_buffers", "128MB"),
    ("max_wal_size", "1GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_compression", "on"),
    ("jit", "off"),
];

/// A private cluster that runs.
#[derive(Debug)]
pub struct Embedded {
    cluster: Cluster,
}

impl Embedded {
    /// Starts the cluster of a data directory, making it at the first start; one that runs is adopted, and
    /// listens where it did. Blocks, at the first start for several seconds.
    ///
    /// # Errors
    /// When PostgreSQL's server is not installed, or does not start; the message quotes its log.
    pub fn start(data_dir: &Path, listen: Option<SocketAddr>) -> Result<Self, cluster::Error> {
        let mut options = ClusterOptions::new(data_dir.join(FOLDER));
        options.name = "pganalytics-store".to_owned();
        options.listen = listen.map(|address| (address.ip().to_string(), address.port()));
        for (name, value) in STORE_SETTINGS {
            options = options.setting(name, value);
        }
        let fresh = !options.data_dir.join("PG_VERSION").exists();
        if fresh {
            tracing::info!(path = %options.data_dir.display(), "making a private PostgreSQL cluster for the store");
        }
        let mut cluster = Cluster::open_or_create(options)?;
        let adopted = cluster.start()? == Start::Adopted;
        tracing::info!(version = cluster.binaries().version(), adopted, "the private PostgreSQL cluster runs");
        Ok(Self { cluster })
    }

    /// Makes the database where it is missing, and says how to connect to it.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn prepare(&self) -> Result<String, StoreError> {
        let (client, connection) = tokio_postgres::connect(&self.cluster.dsn("postgres"), NoTls).await?;
        let driver = tokio::spawn(connection);
        let found = client.query_opt("select 1 from pg_database where datname = $1", &[&DATABASE]).await?;
        if found.is_none() {
            client.execute(&format!("create database {DATABASE}"), &[]).await?;
        }
        drop(client);
        driver.abort();
        Ok(self.cluster.dsn(DATABASE))
    }

    /// Where it listens over TCP.
    #[must_use]
    pub fn listens(&self) -> Option<(&str, u16)> {
        self.cluster.listens()
    }

    /// Lets the role of dashboards in over TCP, with this password. Nobody else has one.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn admit_reader(&self, password: &str) -> Result<(), StoreError> {
        let (client, connection) = tokio_postgres::connect(&self.cluster.dsn(DATABASE), NoTls).await?;
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

    /// Stops the cluster in order. Blocks.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(mut self) -> Result<(), cluster::Error> {
        self.cluster.stop(Mode::Fast).map(|_| ())
    }
}
