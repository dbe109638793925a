//! The store without `DATABASE_URL`: a private PostgreSQL cluster in `DATA_DIR`, with the same schema and
//! code as any other store.

use std::path::Path;

use cluster::{Cluster, ClusterOptions, Mode, Start};
use tokio_postgres::NoTls;

use super::StoreError;

/// The database in the private cluster.
const DATABASE: &str = "pganalytics";
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
    /// Starts the cluster of a data directory, making it at the first start; one that runs is adopted.
    /// Blocks, at the first start for several seconds.
    ///
    /// # Errors
    /// When PostgreSQL's server is not installed, or does not start; the message quotes its log.
    pub fn start(data_dir: &Path) -> Result<Self, cluster::Error> {
        let mut options = ClusterOptions::new(data_dir.join(FOLDER));
        options.name = "pganalytics-store".to_owned();
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

    /// Stops the cluster in order. Blocks.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(mut self) -> Result<(), cluster::Error> {
        self.cluster.stop(Mode::Fast).map(|_| ())
    }
}
