//! Connections to PostgreSQL, pooled and bounded.

use std::pin::Pin;
use std::time::{Duration, Instant};

use ::config::dsn::{Dsn, Environment};
use connection::Canceller;
use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Pool, PoolError, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};

use crate::StoreError;

/// How long a request waits for a free connection.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection is asked for that the store does not give because it has no more.
const FULL_FOR: Duration = Duration::from_secs(4);

/// The pause between two such attempts.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Connections that are left to others on the store's own server.
const LEFT_TO_OTHERS: usize = 10;

/// No pool has fewer.
const LEAST_CONNECTIONS: usize = 2;

/// Where the store is and how many connections it may have.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// libpq's URI or keywords.
    pub url: String,
    /// `MAX_DATABASE_CONNS`; lowered to what the store allows.
    pub max_connections: usize,
}

/// Connections that only reads have, and what cancels them.
#[derive(Clone, Debug)]
pub struct ReadPool {
    /// The connections.
    pub pool: Pool,
    /// What cancels a statement on one of them.
    pub canceller: Canceller,
}

impl From<Pool> for ReadPool {
    /// Over a pool whose connections are in clear text.
    fn from(pool: Pool) -> Self {
        Self { pool, canceller: Canceller::default() }
    }
}

/// One of so many connections is for reads.
const SHARE_OF_READS: usize = 4;

/// Opens a pool of as many connections as are wanted and the store allows.
///
/// # Errors
/// When the address is wrong or the store cannot be reached.
pub async fn open(settings: &PoolSettings) -> Result<Pool, StoreError> {
    let dsn = parse(&settings.url)?;
    let size = size(&dsn, settings.max_connections).await?;
    build(&dsn, size)
}

/// Opens a pool, and of its connections a part that only reads have.
///
/// # Errors
/// When the address is wrong or the store cannot be reached.
pub async fn open_with_reads(settings: &PoolSettings) -> Result<(Pool, ReadPool), StoreError> {
    let dsn = parse(&settings.url)?;
    let size = size(&dsn, settings.max_connections).await?;
    let for_reads = size / SHARE_OF_READS;
    let canceller = Canceller::of(&dsn).map_err(|error| StoreError::Address(format!("{error:#}")))?;
    Ok((build(&dsn, size - for_reads)?, ReadPool { pool: build(&dsn, for_reads)?, canceller }))
}

fn parse(url: &str) -> Result<Dsn, StoreError> {
    let lookup = |name: &str| std::env::var(name).ok();
    Dsn::parse(url, &Environment::new(&lookup)).map_err(|error| StoreError::Address(error.to_string()))
}

/// As many connections as are wanted and the store allows. Asked before a pool is built: one that is made smaller
/// afterwards still gives as many as before.
async fn size(dsn: &Dsn, wanted: usize) -> Result<usize, StoreError> {
    let probe = build(dsn, 1)?;
    let client = probe.get().await.map_err(|error| unreachable(error, dsn))?;
    let row = client
        .query_one(
            "select least(
                 current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8,
                 (select case when datconnlimit < 0 then null else datconnlimit end
                  from pg_database where datname = current_database())::int8)",
            &[],
        )
        .await?;
    drop(client);
    probe.close();
    let allowed = usize::try_from(row.get::<_, i64>(0)).unwrap_or(1).saturating_sub(LEFT_TO_OTHERS);
    let allowed = allowed.max(2 * LEAST_CONNECTIONS);
    if allowed < wanted {
        tracing::info!(wanted, allowed, "fewer connections than wanted: the store's limit");
    }
    Ok(wanted.min(allowed))
}

/// Why there is no connection, in one sentence.
fn unreachable(error: PoolError, dsn: &Dsn) -> StoreError {
    let place = connection::place(dsn);
    let why = match &error {
        PoolError::Backend(error) => connection::unreachable(error, dsn)
            .unwrap_or_else(|| format!("{place} refuses: {}", connection::describe(error))),
        PoolError::Timeout(_) => format!("{place} does not answer within {} s", CONNECT_TIMEOUT.as_secs()),
        _ => return error.into(),
    };
    StoreError::Unreachable(format!("{why} (role {}, database {})", dsn.user, dsn.dbname))
}

/// The way to the store, which says why a connection ended: the pool's own says only that it did.
struct Way<T>(T);

impl<T> Connect for Way<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let (tls, config) = (self.0.clone(), config.clone());
        Box::pin(async move {
            let began = Instant::now();
            // Others have all of the store's connections: one of theirs may end.
            let (client, connection) = loop {
                match config.connect(tls.clone()).await {
                    Err(error)
                        if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) && began.elapsed() < FULL_FOR =>
                    {
                        tokio::time::sleep(FULL_PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
                    }
                    connected => break connected?,
                }
            };
            let served = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    let reason = connection::describe(&error);
                    tracing::warn!(reason, "a connection to the store ended");
                }
            });
            Ok((client, served))
        })
    }
}

type Connecting<'a> = Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

fn build(dsn: &Dsn, max_size: usize) -> Result<Pool, StoreError> {
    let config = startup(dsn);
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if !connection::may_use_tls(dsn) {
        Manager::from_connect(config, Way(NoTls), manager_config)
    } else {
        let tls = connection::connector(dsn).map_err(|error| StoreError::Address(format!("{error:#}")))?;
        Manager::from_connect(config, Way(tls), manager_config)
    };
    Pool::builder(manager)
        .max_size(max_size.max(LEAST_CONNECTIONS))
        .timeouts(Timeouts { wait: Some(WAIT_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: Some(CONNECT_TIMEOUT) })
        .runtime(Runtime::Tokio1)
        // Few connections do what few can: each keeps memory for its largest statement, here and in the store.
        .queue_mode(QueueMode::Lifo)
        .build()
        .map_err(|error| StoreError::Address(error.to_string()))
}

fn startup(dsn: &Dsn) -> Config {
    let mut config = connection::parameters(dsn);
    config.application_name("pganalytics server");
    config.connect_timeout(CONNECT_TIMEOUT);
    let given = dsn.options.as_deref().unwrap_or_default();
    config.options(format!(
        "{given} -c timezone=UTC -c client_min_messages=warning -c idle_in_transaction_session_timeout=120000"
    ));
    config
}
