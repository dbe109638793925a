//! The store of a test: a fresh database on the one store cluster of a run.

use std::future::Future;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use cluster::{Cluster, ClusterOptions, Start};
use tokio_postgres::Client;

use crate::installations::installation;
use crate::pg::{blocking, connect};
use crate::place::{self, Owner};
use crate::{reaper, template};

/// Settings of the store cluster: as many tests at once as a machine may have cores, and nothing waits for the disk.
const SETTINGS: [(&str, &str); 5] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "400"),
    ("max_wal_senders", "0"),
    ("wal_level", "minimal"),
];

/// Outlives the run's last test, and then clears the store away. Arguments: the owner's pid, the directory.
/// A zombie counts as gone: where process 1 reaps nobody, it stays one for ever.
const WATCHER: &str = r#"
alive() {
    kill -0 "$1" 2>/dev/null || return 1
    case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in Z* | X*) return 1 ;; esac
}
while alive "$1"; do sleep 1; done
if read -r postmaster < "$2/data/postmaster.pid"; then
    kill -QUIT "$postmaster"
    while alive "$postmaster"; do sleep 0.1; done
fi
rm -rf "$2"
"#;

/// A database of one test's own.
#[derive(Debug, Clone)]
pub struct StoreDatabase {
    /// How to connect, in libpq's keywords and values, as the superuser.
    pub dsn: String,
    /// The database's name.
    pub name: String,
}

impl StoreDatabase {
    /// A connection to it.
    ///
    /// # Errors
    /// The server does not take it.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        connect(&self.dsn).await
    }

    /// A copy of it. Nobody may be connected to it meanwhile.
    ///
    /// # Errors
    /// Somebody is.
    pub async fn copy(&self) -> anyhow::Result<Self> {
        let cluster = cluster_of_run().await?;
        let client = connect(&cluster.dsn("postgres")).await?;
        clone_of(&cluster, &client, &self.name).await
    }
}

/// An empty database.
///
/// # Errors
/// The store cluster does not start.
pub async fn store() -> anyhow::Result<StoreDatabase> {
    let cluster = cluster_of_run().await?;
    let client = connect(&cluster.dsn("postgres")).await?;
    clone_of(&cluster, &client, "template1").await
}

/// A copy of a database that `prepare` (the migrations, say) has made ready once in this run; it gets the dsn.
/// Of several templates each has its `key`, of lower-case letters, digits and underscores.
///
/// # Errors
/// The store cluster does not start, or `prepare` fails.
pub async fn store_from<Prepared>(key: &str, prepare: impl FnOnce(String) -> Prepared) -> anyhow::Result<StoreDatabase>
where
    Prepared: Future<Output = anyhow::Result<()>>,
{
    let cluster = cluster_of_run().await?;
    let client = connect(&cluster.dsn("postgres")).await?;
    let template = format!("ready_{key}");
    // Held by the session, so that a test killed in the middle lets go of it.
    client.execute("select pg_advisory_lock(hashtext($1))", &[&template]).await.context("lock the template")?;
    let known = "select exists (select from pg_database where datname = $1)";
    let exists: bool = client.query_one(known, &[&template]).await.context("look for the template")?.get(0);
    if !exists {
        let draft = format!("draft_{key}");
        run(&client, &format!("drop database if exists {draft} with (force)")).await?;
        run(&client, &format!("create database {draft}")).await?;
        prepare(cluster.dsn(&draft)).await.context("prepare the template")?;
        // Connections that the preparation has left open would stand in the way of every copy.
        run(&client, &format!("alter database {draft} allow_connections false")).await?;
        let end = "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1";
        client.query(end, &[&draft]).await.context("end what the preparation left")?;
        run(&client, &format!("alter database {draft} rename to {template}")).await?;
    }
    client.execute("select pg_advisory_unlock(hashtext($1))", &[&template]).await.context("unlock the template")?;
    clone_of(&cluster, &client, &template).await
}

async fn clone_of(cluster: &Running, client: &Client, template: &str) -> anyhow::Result<StoreDatabase> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("t_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    // A pid can come again within a long run.
    run(client, &format!("drop database if exists {name}")).await?;
    run(client, &format!("create database {name} template {template}")).await?;
    Ok(StoreDatabase { dsn: cluster.dsn(&name), name })
}

async fn run(client: &Client, statement: &str) -> anyhow::Result<()> {
    client.execute(statement, &[]).await.map(|_| ()).with_context(|| statement.to_owned())
}

/// The store cluster, seen from a test: it runs, and belongs to the run.
struct Running(Cluster);

impl Running {
    fn dsn(&self, database: &str) -> String {
        self.0.dsn(database)
    }
}

/// The run's store cluster: started by the first test that asks, adopted by the others.
async fn cluster_of_run() -> anyhow::Result<Running> {
    blocking(|| {
        reaper::reap()?;
        let owner = Owner::run()?;
        let directory = place::run_directory(owner)?;
        let _lock = place::lock(&directory.join("lock"))?;
        let binaries = installation(None)?;
        let mut options = ClusterOptions::new(directory.join("data"));
        options.binaries = Some(binaries.clone());
        options.socket_dir = Some(directory.join("s"));
        "test-store".clone_into(&mut options.name);
        options.settings = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut cluster = if options.data_dir.exists() {
            Cluster::open(options).context("open the store cluster")?
        } else {
            Cluster::copy_of(&template::of(&binaries)?, options).context("make the store cluster")?
        };
        if cluster.start().context("start the store cluster")? == Start::Started {
            watch(owner, &directory)?;
        }
        Ok(Running(cluster))
    })
    .await
}

/// Starts the process that clears the store away when the run is over.
fn watch(owner: Owner, directory: &Path) -> anyhow::Result<()> {
    Command::new("/bin/sh")
        .args(["-c", WATCHER, "watcher", &owner.pid().to_string()])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        // The runner kills a test that hangs together with its process group.
        .process_group(0)
        .spawn()
        .map(|_| ())
        .context("start the store's watcher")
}
