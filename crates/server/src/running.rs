//! A server from its settings: store, schemas, first administrator, listener, background work.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::Catalog;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::accounts::{FirstAdmin, ensure_first_admin, kept_secret};
use crate::jobs::Jobs;
use crate::listener::Tls;
use crate::{App, Embedded, NoStore, Owner, Settings, SystemClock, data_dir, migrations, serve};
use store::{PoolSettings, Store};

/// The file in `DATA_DIR` with the password of Grafana's role.
const GRAFANA_PASSWORD: &str = "grafana-password";

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS there.
    pub speaks_tls: bool,
    /// The administrator that this start made, if it was the first.
    pub first_admin: Option<FirstAdmin>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<()>>,
    jobs: Jobs,
    embedded: Option<Embedded>,
}

/// What a command wants of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One that is up to date, whatever has to be done to it.
    UpToDate {
        /// Whether a private cluster may be made where there is none.
        may_make: bool,
    },
    /// The one that servers run on, as it is.
    AsItIs,
}

/// The databases of a server, open.
#[derive(Debug)]
pub struct Opened {
    /// The server's state.
    pub app: Arc<App>,
    embedded: Option<Embedded>,
}

impl Opened {
    /// Opens the store of these settings for a command: without `DATABASE_URL` the private cluster in `DATA_DIR`,
    /// which a running server keeps.
    ///
    /// # Errors
    /// When there is no store, a database cannot be reached, or is not up to date and cannot be or is not to be
    /// brought there.
    pub async fn new(settings: Settings, wanted: Wanted) -> Result<Self> {
        if settings.database_url.is_some() {
            return Self::over(settings, None, wanted).await;
        }
        let may_make = wanted == Wanted::UpToDate { may_make: true };
        let data_dir = settings.data_dir.clone();
        if may_make {
            data_dir::prepare(&settings)?;
        }
        let hint = if settings.is_default("DATA_DIR") {
            "DATA_DIR is not set, so its default is looked at: set DATA_DIR to the server's, or DATABASE_URL to its store"
        } else {
            "DATA_DIR must be the server's, or DATABASE_URL its store"
        };
        let joined = tokio::task::spawn_blocking(move || Embedded::join(&data_dir, may_make));
        let joined = joined.await.context("join the private PostgreSQL cluster")?;
        let embedded = joined.map_err(|error| if error.is::<NoStore>() { error.context(hint) } else { error })?;
        Self::over(settings, Some(embedded), wanted).await
    }

    /// Opens the store for a server, which owns its private cluster.
    async fn owned(settings: Settings, owner: Option<Owner>) -> Result<Self> {
        let wanted = Wanted::UpToDate { may_make: true };
        let Some(owner) = owner else { return Self::over(settings, None, wanted).await };
        let (data_dir, listen) = (settings.data_dir.clone(), settings.embedded_listen);
        let started = tokio::task::spawn_blocking(move || Embedded::start(owner, &data_dir, listen));
        let embedded = started.await.context("start the private PostgreSQL cluster")??;
        Self::over(settings, Some(embedded), wanted).await
    }

    async fn over(settings: Settings, mut embedded: Option<Embedded>, wanted: Wanted) -> Result<Self> {
        match Self::prepared(settings, &mut embedded, wanted).await {
            Ok(app) => Ok(Self { app, embedded }),
            Err(error) => {
                stop_embedded(embedded).await;
                Err(error)
            }
        }
    }

    async fn prepared(settings: Settings, embedded: &mut Option<Embedded>, wanted: Wanted) -> Result<Arc<App>> {
        let mut catalog = Catalog::embedded().context("read the embedded catalogue")?;
        if let Some(folder) = &settings.catalog_dir {
            catalog = catalog.with_dir(folder).context("read CATALOG_DIR")?;
        }
        let url = match (&settings.database_url, embedded) {
            (Some(url), _) => url.reveal().to_owned(),
            (None, Some(embedded)) => {
                let url = embedded.prepare().await.context("prepare the private PostgreSQL cluster")?;
                if settings.embedded_listen.is_some() && embedded.listens().is_some() {
                    let password = kept_secret(&settings.data_dir, GRAFANA_PASSWORD)?;
                    embedded.admit_reader(&password).await.context("let Grafana's role in")?;
                }
                url
            }
            (None, None) => anyhow::bail!("there is neither DATABASE_URL nor a private cluster"),
        };
        Self::with_databases(settings, catalog, &url, wanted).await
    }

    async fn with_databases(settings: Settings, catalog: Catalog, url: &str, wanted: Wanted) -> Result<Arc<App>> {
        let max_connections = settings.max_database_conns;
        let at = |url: &str| PoolSettings { url: url.to_owned(), max_connections };
        let (pool, metrics, reads) = match &settings.timescale_url {
            Some(elsewhere) => {
                let pool = store::open(&at(url)).await.context("connect to DATABASE_URL")?;
                let opened = store::open_with_reads(&at(elsewhere.reveal())).await;
                let (metrics, reads) = opened.context("connect to TIMESCALE_URL")?;
                (pool, metrics, reads)
            }
            None => {
                let (pool, reads) = store::open_with_reads(&at(url)).await.context("connect to DATABASE_URL")?;
                (pool.clone(), pool, reads)
            }
        };
        let mut client = pool.get().await.context("connect to DATABASE_URL")?;
        store::check(&client, "pganalytics").await.context("use DATABASE_URL")?;
        let measured = metrics.get().await.context("connect to TIMESCALE_URL")?;
        let use_its = if settings.timescale_url.is_some() { "use TIMESCALE_URL" } else { "use DATABASE_URL" };
        store::check(&measured, "metrics").await.context(use_its)?;
        drop(measured);
        if wanted == Wanted::AsItIs {
            migrations::PGANALYTICS.check(&client).await.context("use DATABASE_URL")?;
        } else {
            let ran = migrations::migrate(&mut client).await.context("bring schema pganalytics up to date")?;
            if !ran.is_empty() {
                tracing::info!(migrations = ran.len(), "schema pganalytics is up to date");
            }
        }
        drop(client);
        let layout = settings.store_layout;
        let app = App::new(settings, pool, metrics, reads, catalog, Arc::new(SystemClock))?;
        let (metrics, catalog) = (app.metrics.clone(), Arc::clone(&app.catalog));
        let store = match wanted {
            Wanted::AsItIs => Store::as_it_is(metrics, catalog).await.context(use_its)?,
            Wanted::UpToDate { .. } => {
                Store::prepare_as(metrics, catalog, layout).await.context("bring schema metrics up to date")?
            }
        };
        app.start_ingest(Arc::new(store));
        Ok(app)
    }

    /// Closes the store; a private cluster that was started for it is stopped.
    pub async fn close(self) {
        self.app.close_connections();
        stop_embedded(self.embedded).await;
    }
}

impl Running {
    /// Starts a server.
    ///
    /// # Errors
    /// When its store cannot be opened or its port is taken.
    pub async fn start(settings: Settings) -> Result<Self> {
        for warning in settings.warnings() {
            tracing::warn!("{warning}");
        }
        data_dir::prepare(&settings)?;
        let tls = settings.tls.as_ref().map(|files| Tls::load(&files.certificate, &files.key)).transpose()?;
        // A private cluster has one owner: a second server is told who that is, whichever port it wants.
        let owner = settings.database_url.is_none().then(|| Embedded::claim(&settings.data_dir)).transpose()?;
        let bind = SocketAddr::new(settings.bind_address, settings.port);
        // Before anything slow: a taken port is said at once.
        let listener = TcpListener::bind(bind).await.with_context(|| format!("listen on {bind}"))?;
        let address = listener.local_addr().context("read the listener's address")?;
        let speaks_tls = tls.is_some();
        let opened = Opened::owned(settings, owner).await?;
        if let Some(tls) = tls {
            if let Some(trouble) = tls.trouble(opened.app.clock.now()) {
                tracing::warn!("{trouble}");
            }
            opened.app.speak_tls(tls);
        }
        let first_admin = match ensure_first_admin(&opened.app).await {
            Ok(first_admin) => first_admin,
            Err(error) => {
                opened.close().await;
                return Err(error.context("make the first administrator"));
            }
        };
        let Opened { app, embedded } = opened;
        let embedded = embedded.map(Embedded::keep).transpose().context("watch the private PostgreSQL cluster")?;
        if let Some(condition) = embedded.as_ref().and_then(Embedded::condition) {
            app.watch_store(condition);
        }
        let jobs = Jobs::start(&app);
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(async move {
            let served = serve(Arc::clone(&app), listener, shutdown).await;
            app.close_connections();
            served
        });
        tracing::info!(%address, tls = speaks_tls, "serving");
        Ok(Self { address, speaks_tls, first_admin, stop, serving, jobs, embedded })
    }

    /// Stops in order: requests, connections, the private cluster.
    ///
    /// # Errors
    /// When serving had failed.
    pub async fn stop(self) -> Result<()> {
        // Before the connections are closed.
        self.jobs.stop().await;
        let _ = self.stop.send(());
        let served = self.serving.await.context("wait for the listener")?;
        stop_embedded(self.embedded).await;
        served
    }
}

async fn stop_embedded(embedded: Option<Embedded>) {
    let Some(embedded) = embedded else { return };
    match tokio::task::spawn_blocking(move || embedded.stop()).await {
        Ok(Ok(())) => tracing::info!("the private PostgreSQL cluster is let go"),
        Ok(Err(error)) => tracing::error!(%error, "the private PostgreSQL cluster was not stopped"),
        Err(error) => tracing::error!(%error, "stopping the private PostgreSQL cluster ended early"),
    }
}
