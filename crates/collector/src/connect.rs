//! Connections to one instance: at most [`MAX_BACKENDS`], one attempt at a time, with back-off.
//!
//! An attempt that the instance does not answer (a lock on `pg_authid` hangs new sessions) is not
//! dropped, for its backend would live on unseen: it goes on in the background and keeps its place
//! among the connections in use until it ends. `authentication_timeout` does not end it, since such
//! a session hangs after that; only TCP tells when there is nobody at the other end any more.

use std::sync::Arc;
use std::time::Duration;

use config::dsn::Dsn;
use connection::{describe, place, unreachable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Connection, NoTls};

use crate::abandoned::{self, Awaited, Watched};
use crate::coverage::identifier;
use crate::foreign::Decoder;
use crate::read::signed;
pub use crate::session::Session;
use crate::startup::{self, Told};
pub use crate::startup::{LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS};

/// The most backends that a collector ever has on one instance.
pub const MAX_BACKENDS: usize = 3;
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
        matches!(self, Self::Refused(error)
            if is_about_database(error) || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION))
    }

    /// The grant that lets a role into a database which it may not connect to; empty where that is not the reason.
    pub(crate) fn fix(&self, database: &str, role: &str) -> String {
        match self {
            Self::Refused(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                format!("grant connect on database {} to {};", identifier(database), identifier(role))
            }
            _ => String::new(),
        }
    }
}

/// An error of the way to an instance with the place in it; every other error as it is.
fn with_place(error: ConnectError, dsn: &Dsn) -> ConnectError {
    let sentence = match &error {
        ConnectError::Timeout => Some(format!("{} does not answer: {error}", place(dsn))),
        ConnectError::Refused(refused) => unreachable(refused, dsn),
        ConnectError::Tls(_)
        | ConnectError::BackingOff { .. }
        | ConnectError::Exhausted
        | ConnectError::Pooler
        | ConnectError::Unreachable(_) => None,
    };
    sentence.map_or(error, ConnectError::Unreachable)
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
    /// What the instance is, once it has said so.
    version_num: Option<u32>,
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

    /// Counts the connections of another way to the same address as its own.
    pub(crate) fn share_places(&mut self, other: &Self) {
        if (&self.dsn.host, self.dsn.port) == (&other.dsn.host, other.dsn.port) {
            self.places = Arc::clone(&other.places);
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

    /// Connects to a database, and tells the session only what bounds it: it shows the instance's settings as they
    /// are. A transaction is open, which nothing that is preset reaches; a commit ends it.
    ///
    /// # Errors
    /// When the attempt fails, or none may be made now.
    pub async fn connect_plainly(&self, database: &str) -> Result<Session, ConnectError> {
        // One at a time, like the others.
        let attempts = self.attempts.lock().await;
        if attempts.not_before.is_some_and(|at| at > Instant::now()) {
            return Err(ConnectError::Exhausted);
        }
        let (session, _) = self.attempt(database, Told::Bounds(attempts.version_num)).await?;
        Ok(session)
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
        let told = attempts.version_num;
        let mut outcome = self.attempt(database, Told::All(told)).await;
        let tell = match &outcome {
            // The first connection says what the instance is, and what more can be told; so does one after an upgrade.
            Ok((_, version)) if *version != told => *version,
            // An older one has the address now, which does not know all that it is told.
            Err(ConnectError::Refused(error))
                if told.is_some() && error.code() == Some(&SqlState::UNDEFINED_OBJECT) =>
            {
                None
            }
            _ => told,
        };
        if tell != told {
            drop(outcome);
            attempts.version_num = tell;
            outcome = self.attempt(database, Told::All(tell)).await;
        }
        let outcome = outcome.map(|(session, _)| session).map_err(|error| with_place(error, &self.dsn));
        match &outcome {
            // A database that is gone says nothing about the instance.
            Ok(_) => *attempts = Attempts { version_num: attempts.version_num, ..Attempts::default() },
            Err(ConnectError::Refused(error)) if is_about_database(error) => {}
            // Nobody was asked.
            Err(ConnectError::Exhausted) => {}
            // pg_hba.conf may let the role into its own database only.
            Err(ConnectError::Refused(error))
                if database != self.dsn.dbname
                    && error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {}
            Err(error) => {
                let pause = FIRST_BACK_OFF.saturating_mul(1 << attempts.failures.min(6)).min(LONGEST_BACK_OFF);
                attempts.failures += 1;
                attempts.not_before = Some(Instant::now() + pause);
                attempts.last = error.to_string();
            }
        }
        outcome
    }

    /// One attempt; answers the version too.
    async fn attempt(&self, database: &str, told: Told) -> Result<(Session, Option<u32>), ConnectError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ConnectError::Exhausted)?;
        let dsn = self.dsn.for_database(database);
        let config = packet(&dsn, &self.application_name, told);
        let limit = dsn.connect_timeout.unwrap_or(ATTEMPT_LIMIT).min(ATTEMPT_LIMIT);
        let (answer, mut arrival) = oneshot::channel();
        tokio::spawn(async move {
            let connected = open(&dsn, &config, place).await;
            // Where nobody waits any more, the session is dropped here, and with it its place.
            let _ = answer.send(connected);
        });
        let (client, awaited, version) = match tokio::time::timeout(limit, &mut arrival).await {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) | Err(_) => return Err(ConnectError::Timeout),
        };
        if told == Told::All(None) && version.is_some() {
            // It goes at once: it was not told all, and even a first question may be too late for what is preset.
            return Ok((client.into(), version));
        }
        if matches!(told, Told::Bounds(_)) {
            let begin = signed("begin isolation level read committed read only not deferrable");
            let begin = client.execute_typed(&begin, &[]);
            tokio::time::timeout(limit, begin)
                .await
                .map_err(|_| ConnectError::Timeout)?
                .map_err(ConnectError::Refused)?;
        }
        // From here on the server converts no text, which may fail: `foreign` reads the bytes.
        let asked = signed(
            "select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) as bytes,
                    pg_catalog.current_setting('lock_timeout') as lock_timeout,
                    pg_catalog.current_setting('server_encoding') as encoding,
                    pg_catalog.pg_backend_pid() as process_id",
        );
        let arrived = client.query_typed_one(&asked, &[]);
        let row = match tokio::time::timeout(limit, arrived).await {
            Err(_) => return Err(ConnectError::Timeout),
            Ok(arrived) => arrived.map_err(ConnectError::Refused)?,
        };
        let text = |column: &str| row.try_get::<_, String>(column).map_err(ConnectError::Refused);
        if text("lock_timeout")? != format!("{LOCK_TIMEOUT_MS}ms") {
            return Err(ConnectError::Pooler);
        }
        awaited.served_by(row.try_get("process_id").map_err(ConnectError::Refused)?);
        let session = Session::new(client, version, Decoder::of(&text("encoding")?));
        Ok((session.awaited(awaited), version))
    }
}

/// Connects, and leaves a task behind that drives the connection and holds its place. Answers the version too.
async fn open(
    dsn: &Dsn,
    config: &tokio_postgres::Config,
    place: OwnedSemaphorePermit,
) -> Result<(Client, Awaited, Option<u32>), ConnectError> {
    if !connection::may_use_tls(dsn) {
        let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
        let (awaited, watched) = abandoned::awaited(dsn, config, client.cancel_token());
        return Ok((client, awaited, drive(connection, watched, place)));
    }
    let connector = connection::connector(dsn).map_err(ConnectError::Tls)?;
    let (client, connection) = config.connect(connector).await.map_err(refused)?;
    let (awaited, watched) = abandoned::awaited(dsn, config, client.cancel_token());
    Ok((client, awaited, drive(connection, watched, place)))
}

/// Lets a connection run until it ends; answers the version that it was told.
fn drive<S, T>(connection: Connection<S, T>, watched: Watched, place: OwnedSemaphorePermit) -> Option<u32>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let version = connection.parameter("server_version").and_then(startup::version_num);
    tokio::spawn(async move {
        let ended = watched.ended(connection).await;
        release(ended, place).await;
    });
    version
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

/// The start-up packet, and how the network is used.
fn packet(dsn: &Dsn, application_name: &str, told: Told) -> tokio_postgres::Config {
    let mut config = connection::parameters(dsn);
    config.application_name(application_name);
    // Without these a host that is gone keeps its places for hours.
    config.keepalives_idle(dsn.keepalives.idle.unwrap_or(KEEPALIVE_IDLE));
    config.keepalives_interval(dsn.keepalives.interval.unwrap_or(KEEPALIVE_INTERVAL));
    config.keepalives_retries(dsn.keepalives.count.unwrap_or(KEEPALIVE_RETRIES));
    config.tcp_user_timeout(dsn.tcp_user_timeout.unwrap_or(UNACKNOWLEDGED_LIMIT));
    let given = dsn.options.as_deref().unwrap_or_default();
    config.options(format!("{given} {}", startup::options(told)));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_names_the_place_and_other_errors_stay() {
        let tcp = Dsn::parse("host=db-1 port=6000 user=m", &config::dsn::Environment::new(&|_| None)).unwrap();
        let silent = with_place(ConnectError::Timeout, &tcp).to_string();
        assert_eq!(silent, "db-1:6000 does not answer: no answer within 5 s");
        assert!(matches!(with_place(ConnectError::Exhausted, &tcp), ConnectError::Exhausted));
    }
}
