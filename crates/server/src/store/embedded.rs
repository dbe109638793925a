//! The store that comes with the server: a private PostgreSQL cluster in `DATA_DIR/postgresql`, for
//! when `DATABASE_URL` is absent. The same code and schema as production; a local socket only.

use std::path::Path;

use anyhow::{Context, Result};
use cluster::{Cluster, ClusterOptions, Mode, Start};
use tokio_postgres::NoTls;

/// The database that holds both schemas.
const DATABASE: &str = "pganalytics";

/// What the cluster is set to, over the defaults of PostgreSQL and of crate `cluster`.
const SETTINGS: [(&str, &str); 6] = [
    ("max_connections", "100"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_compression", "on"),
    ("max_wal_senders", "0"),
    ("wal_level", "minimal"),
];

/// A running private cluster.
#[derive(Debug)]
pub struct Embedded {
    cluster: Cluster,
}

impl Embedded {
    /// Makes the cluster at the first start, adopts it when its postmaster is alive, else starts it.
    ///
    /// # Errors
    /// When there are no binaries, the directory cannot be used, or PostgreSQL does not start; the text says what
    /// to do.
    pub async fn start(data_dir: &Path) -> Result<Self> {
        let mut options = ClusterOptions::new(data_dir.join("postgresql"));
        for (name, value) in SETTINGS {
            options = options.setting(name, value);
        }
        let cluster = tokio::task::spawn_blocking(move || -> Result<Cluster> {
            let mut cluster = Cluster::open_or_create(options).context("open the embedded store")?;
            let start = cluster.start().context("start the embedded store")?;
            let adopted = start == Start::Adopted;
            tracing::info!(path = %cluster.data_dir().display(), adopted, "the embedded store runs");
            Ok(cluster)
        })
        .await
        .context("start the embedded store")??;
        create_database(&cluster.dsn("postgres")).await?;
        Ok(Self { cluster })
    }

    /// How to connect, in libpq's keywords and values.
    #[must_use]
    pub fn dsn(&self) -> String {
        self.cluster.dsn(DATABASE)
    }

    /// The cluster: its log, its directories.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Stops the cluster, open connections included. Close the pools before.
    ///
    /// # Errors
    /// When PostgreSQL does not stop in time.
    pub async fn stop(self) -> Result<()> {
        let mut cluster = self.cluster;
        tokio::task::spawn_blocking(move || cluster.stop(Mode::Fast).map(|_| ()).context("stop the embedded store"))
            .await
            .context("stop the embedded store")?
    }
}

async fn create_database(dsn: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.context("connect to the embedded store")?;
    let connection = tokio::spawn(connection);
    let exists = "select exists (select from pg_catalog.pg_database where datname = $1)";
    let row = client.query_one(exists, &[&DATABASE]).await.context("look for the store's database")?;
    if !row.get::<_, bool>(0) {
        client.execute(&format!("create database {DATABASE}"), &[]).await.context("create the store's database")?;
    }
    drop(client);
    // Its end is the connection's; what went wrong in it has shown in the statements.
    let _ = connection.await;
    Ok(())
}
