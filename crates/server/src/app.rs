//! What every handler can reach: settings, pools, clock, limits, keys and the catalogue.

use std::sync::{Arc, OnceLock};

use catalog::Catalog;
use cluster::{Condition, Outage};
use deadpool_postgres::Pool;
use ingest::Ingest;
use jiff::Timestamp;

use crate::accounts::TokenKeys;
use crate::accounts::passwords::Passwords;
use crate::clock::Clock;
use crate::health::Troubles;
use crate::http::{ApiError, RateLimits};
use crate::listener::Tls;
use crate::settings::Settings;
use reads::Reader;
use store::{ReadPool, Store};

/// Which build this is.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The version, as in `4.0.0`.
    pub version: &'static str,
    /// The commit it was built from, `None` where the build could not know.
    pub commit: Option<&'static str>,
}

impl Default for BuildInfo {
    fn default() -> Self {
        Self { version: env!("CARGO_PKG_VERSION"), commit: option_env!("PGANALYTICS_COMMIT") }
    }
}

/// The server's state. Handlers take it as `State(app): State<Arc<App>>`.
#[derive(Debug)]
pub struct App {
    /// What is in force.
    pub settings: Settings,
    /// Connections to `DATABASE_URL`: schema `pganalytics`.
    pub pool: Pool,
    /// Connections to `TIMESCALE_URL`, the same as `pool` where that is absent: schema `metrics`.
    pub metrics: Pool,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What is measured.
    pub catalog: Arc<Catalog>,
    /// Which build this is.
    pub build: BuildInfo,
    /// When this process began to serve.
    pub started_at: Timestamp,
    /// Buckets of requests, per user, collector and address.
    pub limits: RateLimits,
    /// What tokens are signed with.
    pub keys: TokenKeys,
    /// Hashes passwords, a bounded number at a time.
    pub passwords: Passwords,
    /// What failed last for the store's sake.
    pub troubles: Troubles,
    /// Connections to the metrics store that only reads have.
    reads: ReadPool,
    /// Takes batches in, from when the metrics store is prepared.
    ingest: OnceLock<Ingest>,
    /// Reads what is stored, from then on too.
    reader: OnceLock<Reader>,
    /// Whether the private cluster is there, where there is one and it is watched.
    cluster: OnceLock<Condition>,
    /// The listener's certificate, where it speaks TLS.
    tls: OnceLock<Arc<Tls>>,
}

impl App {
    /// The state over its pools: give the same one twice where the metrics live in `DATABASE_URL`.
    ///
    /// # Errors
    /// When the token secret can be neither read nor made.
    pub fn new(
        settings: Settings,
        pool: Pool,
        metrics: Pool,
        reads: ReadPool,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Arc<Self>> {
        let keys = TokenKeys::from_settings(&settings)?;
        let limits = RateLimits::new(&settings);
        let started_at = clock.now();
        Ok(Arc::new(Self {
            settings,
            pool,
            metrics,
            clock,
            catalog: Arc::new(catalog),
            build: BuildInfo::default(),
            started_at,
            limits,
            keys,
            passwords: Passwords::default(),
            troubles: Troubles::default(),
            reads,
            ingest: OnceLock::new(),
            reader: OnceLock::new(),
            cluster: OnceLock::new(),
            tls: OnceLock::new(),
        }))
    }

    /// Begins to take batches into a prepared store, and to read from it. Needs a tokio runtime; a second call changes nothing.
    pub fn start_ingest(&self, store: Arc<Store>) {
        self.reader.get_or_init(|| Reader::new(self.reads.clone(), Arc::clone(&store)));
        let buffer_bytes = u64::try_from(self.settings.metrics_buffer_size).unwrap_or(u64::MAX);
        self.ingest.get_or_init(|| Ingest::start(store, buffer_bytes, self.settings.custom_sets));
    }

    /// Lets health tell what happens to the private cluster; a second call changes nothing.
    pub fn watch_store(&self, condition: Condition) {
        self.cluster.get_or_init(|| condition);
    }

    /// Lets the listener speak TLS; a second call changes nothing.
    pub fn speak_tls(&self, tls: Tls) {
        self.tls.get_or_init(|| Arc::new(tls));
    }

    /// The listener's certificate, where it speaks TLS.
    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.get().cloned()
    }

    /// What is wrong with the private cluster, if anything is.
    #[must_use]
    pub fn store_outage(&self) -> Option<Outage> {
        self.cluster.get().and_then(Condition::outage)
    }

    /// What takes batches in.
    ///
    /// # Errors
    /// 503 while the metrics store is not prepared.
    pub fn ingest(&self) -> Result<&Ingest, ApiError> {
        self.ingest.get().ok_or_else(|| ApiError::unavailable("The metrics store is being prepared."))
    }

    /// What reads the metrics store.
    ///
    /// # Errors
    /// 503 while it is not prepared.
    pub fn reader(&self) -> Result<&Reader, ApiError> {
        self.reader.get().ok_or_else(|| ApiError::unavailable("The metrics store is being prepared."))
    }

    /// The prepared metrics store.
    ///
    /// # Errors
    /// 503 while it is not prepared.
    pub fn store(&self) -> Result<&Arc<Store>, ApiError> {
        self.ingest().map(Ingest::store)
    }

    /// Bytes of batches that were taken in and are not stored yet.
    #[must_use]
    pub fn ingest_bytes(&self) -> u64 {
        self.ingest.get().map_or(0, |ingest| ingest.budget().used())
    }

    /// Closes all connections to the store.
    pub(crate) fn close_connections(&self) {
        for pool in [&self.pool, &self.metrics, &self.reads.pool] {
            pool.close();
        }
    }

    /// Closes idle connections past `MAX_IDLE_DATABASE_CONNS`.
    pub(crate) fn trim_idle_connections(&self) {
        for pool in [&self.pool, &self.metrics, &self.reads.pool] {
            let mut kept = 0;
            pool.retain(|_, _| {
                kept += 1;
                kept <= self.settings.max_idle_database_conns
            });
        }
    }
}
