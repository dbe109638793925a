//! Connections to one instance: at most [`MAX_BACKENDS`], one attempt at a time, with back-off.
//!
//! An attempt that the instance does not answer (a lock on `pg_authid` hangs new sessions) is not
//! dropped, for its backend would live on unseen: it goes on in the background and keeps its place
//! among the connections in use until it ends. `authentication_timeout` does not end it, since such
//! a session hangs after that; only TCP tells when there is nobody at the other end any more.

use std::sync::Arc;
use std::time::Duration;

use config::dsn::Dsn;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use crate::read::signed;
use crate::unreachable;

/// The most backends that a collector ever has on one instance.
pub const MAX_BACKENDS: usize = 3;
/// How long a statement waits for a lock on a catalog.
pub const LOCK_TIMEOUT_MS: u32 = 100;
/// How long a statement may take.
pub const STATEMENT_TIMEOUT_MS: u32 = 15_000;
/// How long an attempt may take before it counts as failed.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection is silent before TCP asks whether the other end is there; the connection string goes before.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How often it asks then.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How many questions without an answer end the connection.
const KEEPALIVE_RETRIES: u32 = 6;
/// How long sent data may stay unacknowledged before the connection ends: as long as the questions take.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(90);
/// How long a connection that stopped answering keeps its place: its statement ends by then.
const LINGER: Duration = Duration::from_secs(20);
/// The first pause after a failed attempt; doubled each time.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The last attempt failed not long ago.
    #[error("{last}")]
    BackingOff {
        /// What the last attempt said.
        last: String,
        /// When the next may be made.
        wait: Duration,
    },
    /// All connections that the collector allows itself are in use or hang.
    #[error("{MAX_BACKENDS} connections are in use or still hang in the instance")]
    Exhausted,
    /// No answer in time.
    #[error("no answer within {} s", ATTEMPT_LIMIT.as_secs())]
    Timeout,
    /// Nobody answers where the connection string points, or who answers refuses the role: a sentence with the place.
    #[error("{0}")]
    Unreachable(String),
    /// A pooler stands between.
    #[error(
        "something between collector and PostgreSQL drops startup options (PgBouncer?): \
         give the address of PostgreSQL itself"
    )]
    Pooler,
    /// The instance, or the way to it, refused.
    #[error("{}", describe(.0))]
    Refused(tokio_postgres::Error),
    /// TLS could not be prepared.
    #[error("{0:#}")]
    Tls(anyhow::Error),
}

impl ConnectError {
    /// Whether only this database cannot be had, and for good: another one, or a new search, may help.
    #[must_use]
    pub fn is_about_database(&self) -> bool {
        use tokio_postgres::error::SqlState;
        matches!(self, Self::Refused(error)
            if is_about_database(error) || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION))
    }
}

/// The text of a PostgreSQL error with its SQLSTATE, or of what failed on the way.
#[must_use]
pub fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match error.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
}

/// The way to one instance.
#[derive(Debug)]
pub struct Connector {
    dsn: Dsn,
    application_name: String,
    places: Arc<Semaphore>,
    attempts: Mutex<Attempts>,
}

#[derive(Debug, Default)]
struct Attempts {
    failures: u32,
    not_before: Option<Instant>,
    last: String,
}

impl Connector {
    /// The way to the instance of a connection string.
    #[must_use]
    pub fn new(dsn: Dsn) -> Self {
        let application_name = dsn.application_name.clone().unwrap_or_else(|| "pganalytics collector".to_owned());
        Self {
            dsn,
            application_name,
            places: Arc::new(Semaphore::new(MAX_BACKENDS)),
            attempts: Mutex::new(Attempts::default()),
        }
    }

    /// Host, port, user and database as configured.
    #[must_use]
    pub fn dsn(&self) -> &Dsn {
        &self.dsn
    }

    /// How many connections are in use, those that hang included.
    #[must_use]
    pub fn in_use(&self) -> usize {
        MAX_BACKENDS - self.places.available_permits()
    }

    /// Connects to a database.
    ///
    /// # Errors
    /// When the attempt fails, or none may be made now.
    pub async fn connect(&self, database: &str) -> Result<Session, ConnectError> {
        let mut attempts = self.attempts.lock().await;
        if let Some(wait) = attempts.not_before.and_then(|at| at.checked_duration_since(Instant::now()))
            && !wait.is_zero()
        {
            return Err(ConnectError::BackingOff { last: attempts.last.clone(), wait });
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ConnectError::Exhausted)?;
        let outcome = self.attempt(database, place).await.map_err(|error| unreachable::with_place(error, &self.dsn));
        match &outcome {
            // A database that is gone says nothing about the instance.
            Ok(_) => *attempts = Attempts::default(),
            Err(ConnectError::Refused(error)) if is_about_database(error) => {}
            // pg_hba.conf may let the role into its own database only.
            Err(ConnectError::Refused(error))
                if database != self.dsn.dbname
                    && error.code() == Some(&tokio_postgres::error::SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {}
            Err(error) => {
                let pause = FIRST_BACK_OFF.saturating_mul(1 << attempts.failures.min(6)).min(LONGEST_BACK_OFF);
                attempts.failures += 1;
                attempts.not_before = Some(Instant::now() + pause);
                attempts.last = error.to_string();
            }
        }
        outcome
    }

    async fn attempt(&self, database: &str, place: OwnedSemaphorePermit) -> Result<Session, ConnectError> {
        let dsn = self.dsn.for_database(database);
        let config = startup(&dsn, &self.application_name);
        let limit = dsn.connect_timeout.unwrap_or(ATTEMPT_LIMIT).min(ATTEMPT_LIMIT);
        let (answer, mut arrival) = oneshot::channel();
        tokio::spawn(async move {
            let connected = open(&dsn, &config, place).await;
            // Where nobody waits any more, the session is dropped here, and with it its place.
            let _ = answer.send(connected);
        });
        let client = match tokio::time::timeout(limit, &mut arrival).await {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) | Err(_) => return Err(ConnectError::Timeout),
        };
        let session = Session { client };
        let in_force = signed("select pg_catalog.current_setting('lock_timeout')");
        let lock_timeout = session.client.query_typed_one(&in_force, &[]);
        match tokio::time::timeout(limit, lock_timeout).await {
            Err(_) => Err(ConnectError::Timeout),
            Ok(Err(error)) => Err(ConnectError::Refused(error)),
            Ok(Ok(row)) => {
                let in_force: String = row.try_get(0).map_err(ConnectError::Refused)?;
                if in_force == format!("{LOCK_TIMEOUT_MS}ms") { Ok(session) } else { Err(ConnectError::Pooler) }
            }
        }
    }
}

/// Connects, and leaves a task behind that drives the connection and holds its place.
async fn open(dsn: &Dsn, config: &tokio_postgres::Config, place: OwnedSemaphorePermit) -> Result<Client, ConnectError> {
    if !connection::may_use_tls(dsn) {
        let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
        tokio::spawn(async move {
            let ended = connection.await;
            release(ended, place).await;
        });
        return Ok(client);
    }
    let connector = connection::connector(dsn).map_err(ConnectError::Tls)?;
    let (client, connection) = config.connect(connector).await.map_err(refused)?;
    tokio::spawn(async move {
        let ended = connection.await;
        release(ended, place).await;
    });
    Ok(client)
}

/// A connection that ended in order has no backend any more; of one that broke it may run on.
async fn release(ended: Result<(), tokio_postgres::Error>, place: OwnedSemaphorePermit) {
    if ended.is_err_and(|error| error.as_db_error().is_none()) {
        tokio::time::sleep(LINGER).await;
    }
    drop(place);
}

fn refused(error: tokio_postgres::Error) -> ConnectError {
    // PgBouncer refuses startup parameters that it does not know, and `options` is one of them.
    let pooler = error.as_db_error().is_some_and(|db| db.message().contains("unsupported startup parameter"));
    if pooler { ConnectError::Pooler } else { ConnectError::Refused(error) }
}

/// Whether the instance answered, and only this database cannot be had: dropped, renamed, not allowed.
fn is_about_database(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    error.code().is_some_and(|code| {
        [
            SqlState::UNDEFINED_DATABASE,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            SqlState::INVALID_CATALOG_NAME,
        ]
        .contains(code)
    })
}

/// Everything that bounds the session travels in the startup packet: it holds from the first moment.
fn startup(dsn: &Dsn, application_name: &str) -> tokio_postgres::Config {
    let mut config = connection::parameters(dsn);
    config.application_name(application_name);
    // Without these a host that is gone keeps its places for hours.
    config.keepalives_idle(dsn.keepalives.idle.unwrap_or(KEEPALIVE_IDLE));
    config.keepalives_interval(dsn.keepalives.interval.unwrap_or(KEEPALIVE_INTERVAL));
    config.keepalives_retries(dsn.keepalives.count.unwrap_or(KEEPALIVE_RETRIES));
    config.tcp_user_timeout(dsn.tcp_user_timeout.unwrap_or(UNACKNOWLEDGED_LIMIT));
    let given = dsn.options.as_deref().unwrap_or_default();
    config.options(format!(
        "{given} -c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} \
         -c default_transaction_read_only=on -c search_path=pg_catalog -c idle_in_transaction_session_timeout=30000 \
         -c client_min_messages=error -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres"
    ));
    config
}
