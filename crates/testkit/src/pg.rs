//! A throw-away cluster to watch: [`Pg`].

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use cluster::{Binaries, Cluster, ClusterOptions, Mode};
use tokio_postgres::{Client, NoTls};

use crate::installations::installation;
use crate::{place, reaper, template};

/// Tests lose nothing with the machine, so nothing waits for the disk; an immediate stop still loses nothing.
const FAST: [(&str, &str); 2] = [("fsync", "off"), ("full_page_writes", "off")];

/// The first major with `compute_query_id`; before it the extension computes the identifiers by itself.
const COMPUTES_QUERY_ID: u32 = 14;

/// The first major that replicates as it comes.
const REPLICATES: u32 = 10;

/// What the majors before need to be told for that.
const REPLICATION: [(&str, &str); 4] =
    [("wal_level", "hot_standby"), ("max_wal_senders", "10"), ("max_replication_slots", "10"), ("hot_standby", "on")];

/// How long a crash restart may take.
const CRASH_RESTART_LIMIT: Duration = Duration::from_secs(30);

/// How often a condition on the server is looked at.
const POLL: Duration = Duration::from_millis(10);

/// What the postmaster logs between the end of all processes and the recovery.
const CRASH_RESTART: &str = "all server processes terminated; reinitializing";

/// How a throw-away cluster is to be.
#[derive(Debug, Clone)]
pub struct PgOptions {
    /// The major; without one the newest that the machine has.
    pub major: Option<u32>,
    /// The installation, over the major: up to 9.6 there are several of one.
    pub binaries: Option<Binaries>,
    /// Settings, over the kit's own.
    pub settings: Vec<(String, String)>,
    /// Preloads `pg_stat_statements` and creates it in the database `postgres`.
    pub pg_stat_statements: bool,
    /// A system identifier of its own, by an initdb of its own: copies of one template share theirs.
    pub own_identity: bool,
    /// Listens on a free TCP port of 127.0.0.1 too, where passwords are asked for.
    pub listen: bool,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            major: None,
            binaries: None,
            settings: Vec::new(),
            pg_stat_statements: true,
            own_identity: false,
            listen: false,
        }
    }
}

impl PgOptions {
    /// The defaults on one major.
    #[must_use]
    pub fn major(major: u32) -> Self {
        Self { major: Some(major), ..Self::default() }
    }

    /// The defaults on one installation.
    #[must_use]
    pub fn of(binaries: &Binaries) -> Self {
        Self { binaries: Some(binaries.clone()), ..Self::default() }
    }

    /// The same on the installation of another cluster.
    pub(crate) fn on(self, other: &Pg) -> Self {
        Self { binaries: Some(other.with(|cluster| cluster.binaries().clone())), ..self }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running throw-away cluster; stopped and deleted when dropped.
#[derive(Debug)]
pub struct Pg {
    /// `None` only while the value is being dropped.
    cluster: Arc<Mutex<Option<Cluster>>>,
    directory: PathBuf,
    major: u32,
    listens: Option<u16>,
}

impl Pg {
    /// Starts a cluster; first clears away what killed tests have left.
    ///
    /// # Errors
    /// PostgreSQL is missing or does not start.
    pub async fn start(options: PgOptions) -> anyhow::Result<Self> {
        let wanted = options.pg_stat_statements;
        let pg = Self::make(options, |cluster_options, binaries, own_identity| {
            let cluster = if own_identity {
                Cluster::create(cluster_options)
            } else {
                Cluster::copy_of(&template::of(binaries)?, cluster_options)
            };
            cluster.context("make a throw-away cluster")
        })
        .await?;
        if wanted {
            let client = pg.connect("postgres").await?;
            client
                .execute("create extension if not exists pg_stat_statements", &[])
                .await
                .context("create extension")?;
        }
        Ok(pg)
    }

    /// Starts what `build` has made of the options.
    pub(crate) async fn make(
        options: PgOptions,
        build: impl FnOnce(ClusterOptions, &cluster::Binaries, bool) -> anyhow::Result<Cluster> + Send + 'static,
    ) -> anyhow::Result<Self> {
        blocking(move || {
            reaper::reap()?;
            let binaries = options.binaries.clone().map_or_else(|| installation(options.major), Ok)?;
            let directory = place::new_directory()?;
            let mut cluster_options = ClusterOptions::new(directory.join("data"));
            cluster_options.binaries = Some(binaries.clone());
            cluster_options.socket_dir = Some(directory.join("s"));
            cluster_options.throw_away = true;
            "test".clone_into(&mut cluster_options.name);
            cluster_options.listen = options.listen.then(|| ("127.0.0.1".to_owned(), 0));
            cluster_options.settings = settings(&options, binaries.major());
            let mut cluster = build(cluster_options, &binaries, options.own_identity)?;
            // From here on a drop clears away.
            let started = cluster.start().context("start a throw-away cluster");
            let listens = cluster.listens().map(|(_, port)| port);
            let cluster = Arc::new(Mutex::new(Some(cluster)));
            let pg = Self { cluster, directory, major: binaries.major(), listens };
            started.map(|_| pg)
        })
        .await
    }

    /// How to connect over the socket, in libpq's keywords and values, as `postgres`.
    #[must_use]
    pub fn dsn(&self, database: &str) -> String {
        self.with(|cluster| cluster.dsn(database))
    }

    /// A connection as `postgres`.
    ///
    /// # Errors
    /// The server does not take it.
    pub async fn connect(&self, database: &str) -> anyhow::Result<Client> {
        connect(&self.dsn(database)).await
    }

    /// The TCP port of 127.0.0.1, when it was asked for.
    #[must_use]
    pub fn tcp_port(&self) -> Option<u16> {
        self.listens
    }

    /// The major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The Unix socket itself, for a [`crate::Proxy`].
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.with(|cluster| cluster.socket_dir().join(format!(".s.PGSQL.{}", cluster.port())))
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.with(|cluster| cluster.data_dir().to_path_buf())
    }

    /// What the server has logged until now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        let file = self.with(Cluster::log_file);
        let bytes = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Stops and starts again.
    ///
    /// # Errors
    /// It does not stop or start.
    pub async fn restart(&self, mode: Mode) -> anyhow::Result<()> {
        self.blocking(move |cluster| cluster.restart(mode).context("restart a throw-away cluster")).await
    }

    /// Stops; [`Pg::start_again`] goes on with the same data.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(&self, mode: Mode) -> anyhow::Result<()> {
        self.blocking(move |cluster| cluster.stop(mode).map(|_| ()).context("stop a throw-away cluster")).await
    }

    /// Stops without a checkpoint, as a crash does.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop_immediate(&self) -> anyhow::Result<()> {
        self.stop(Mode::Immediate).await
    }

    /// Starts after a stop.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        self.blocking(|cluster| cluster.start().map(|_| ()).context("start a throw-away cluster")).await
    }

    /// Sets a setting; in force after [`Pg::reload`] or [`Pg::restart`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.guard().as_mut().context("the cluster is gone")?.set(name, value).context("set a setting")
    }

    /// Lets the postmaster read its configuration again.
    ///
    /// # Errors
    /// It is not running.
    pub fn reload(&self) -> anyhow::Result<()> {
        self.with(Cluster::reload).context("reload the configuration")
    }

    /// Kills one backend with SIGKILL.
    ///
    /// # Errors
    /// The pid is not one of this cluster's.
    pub fn kill_backend(&self, pid: i32) -> anyhow::Result<()> {
        self.with(|cluster| cluster.kill9_backend(pid)).context("kill a backend")
    }

    /// Makes the instance crash-restart, by killing a backend of its own, and waits until it takes connections again.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn crash_backend(&self) -> anyhow::Result<()> {
        let before = self.log()?.matches(CRASH_RESTART).count();
        let victim = self.connect("postgres").await?;
        let pid = victim.query_one("select pg_backend_pid()", &[]).await.context("ask for the backend's pid")?.get(0);
        self.kill_backend(pid)?;
        let restarted = async {
            while self.log()?.matches(CRASH_RESTART).count() == before {
                tokio::time::sleep(POLL).await;
            }
            while self.connect("postgres").await.is_err() {
                tokio::time::sleep(POLL).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(CRASH_RESTART_LIMIT, restarted).await.context("wait for the crash restart")?
    }

    /// Promotes a standby and waits until it has happened.
    ///
    /// # Errors
    /// It is no standby.
    pub async fn promote(&self) -> anyhow::Result<()> {
        self.blocking(|cluster| cluster.promote().context("promote a standby")).await
    }

    /// Asks the cluster itself.
    ///
    /// # Panics
    /// Never: the cluster is there until the value is dropped.
    pub fn with<T>(&self, ask: impl FnOnce(&Cluster) -> T) -> T {
        ask(self.guard().as_ref().expect("the cluster is there until the drop"))
    }

    /// The cluster, for a task that blocks.
    pub(crate) fn shared(&self) -> Arc<Mutex<Option<Cluster>>> {
        Arc::clone(&self.cluster)
    }

    fn guard(&self) -> MutexGuard<'_, Option<Cluster>> {
        self.cluster.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Cluster) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let shared = Arc::clone(&self.cluster);
        blocking(move || {
            let mut guard = shared.lock().map_err(|_| anyhow!("another task panicked with the cluster"))?;
            act(guard.as_mut().context("the cluster is gone")?)
        })
        .await
    }
}

impl Drop for Pg {
    fn drop(&mut self) {
        drop(self.guard().take());
        // What stays is cleared away by the next test: a drop has nobody to tell.
        _ = reaper::remove(&self.directory);
    }
}

/// The kit's settings and then the test's own, of which the last counts.
fn settings(options: &PgOptions, major: u32) -> Vec<(String, String)> {
    let mut settings: Vec<(&str, &str)> = FAST.to_vec();
    if major < REPLICATES {
        settings.extend(REPLICATION);
    }
    if options.pg_stat_statements {
        settings.push(("shared_preload_libraries", "pg_stat_statements"));
        if major >= COMPUTES_QUERY_ID {
            settings.push(("compute_query_id", "on"));
        }
    }
    let own = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.chain(options.settings.iter().cloned()).collect()
}

/// A connection, with the task that drives it.
///
/// # Errors
/// The dsn is malformed, or the server does not take the connection.
pub async fn connect(dsn: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.context("connect to PostgreSQL")?;
    // It ends with the client or with the server; the client's next call tells which.
    tokio::spawn(connection);
    Ok(client)
}

/// Runs what blocks away from the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("run a blocking task")?
}
