//! Ends backends that run on although nobody waits for them any more.
//!
//! A statement is given up when it did not answer in time, or when its instance is read otherwise from now on. Most end
//! by themselves then: `statement_timeout` sees to that. A function that catches its own cancellation does not, and
//! would keep its connection for ever. So whoever is given up is asked to cancel, and terminated where that was no use.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use config::dsn::Dsn;
use tokio::sync::oneshot;
use tokio_postgres::{CancelToken, Config, Error, NoTls};

use crate::read::signed;

/// How long a connection that was given up may take to end in order.
const IN_ORDER: Duration = Duration::from_secs(1);
/// How long anything may take that is asked of the instance.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a backend may take to end after it was cancelled.
const CANCELLED: Duration = Duration::from_secs(5);
/// The pause after the first attempt that was no use; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What a session holds of its connection: once it is dropped, nobody waits for an answer any more.
#[derive(Debug)]
pub(crate) struct Awaited {
    process_id: Arc<AtomicI32>,
    _gone: oneshot::Sender<()>,
}

impl Awaited {
    /// Notes which backend serves the connection.
    pub(crate) fn served_by(&self, process_id: i32) {
        self.process_id.store(process_id, Ordering::Relaxed);
    }
}

/// The other end of it, with the way to the instance.
pub(crate) struct Watched {
    process_id: Arc<AtomicI32>,
    gone: oneshot::Receiver<()>,
    token: CancelToken,
    dsn: Dsn,
    config: Config,
}

/// Both ends for a new connection.
pub(crate) fn awaited(dsn: &Dsn, config: &Config, token: CancelToken) -> (Awaited, Watched) {
    let (_gone, gone) = oneshot::channel();
    let process_id = Arc::<AtomicI32>::default();
    let awaited = Awaited { process_id: Arc::clone(&process_id), _gone };
    (awaited, Watched { process_id, gone, token, dsn: dsn.clone(), config: config.clone() })
}

impl Watched {
    /// Waits until a connection has ended; sees to it that it does, once nobody waits for its answers.
    pub(crate) async fn ended(mut self, connection: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
        tokio::pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended,
            _ = &mut self.gone => {}
        }
        if let Ok(ended) = tokio::time::timeout(IN_ORDER, &mut connection).await {
            return ended;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            // Of an instance that hangs as a whole no further session is asked for.
            if self.cancel().await {
                if let Ok(ended) = tokio::time::timeout(CANCELLED, &mut connection).await {
                    return ended;
                }
                if self.terminate().await {
                    // However the connection ends then, no backend is left behind it.
                    return connection.await.or(Ok(()));
                }
            }
            if let Ok(ended) = tokio::time::timeout(pause, &mut connection).await {
                return ended;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the instance took the request.
    async fn cancel(&self) -> bool {
        let cancelled = async {
            if connection::may_use_tls(&self.dsn) {
                let connector = connection::connector(&self.dsn)?;
                anyhow::Ok(self.token.cancel_query(connector).await?)
            } else {
                Ok(self.token.cancel_query(NoTls).await?)
            }
        };
        matches!(tokio::time::timeout(LIMIT, cancelled).await, Ok(Ok(())))
    }

    /// Whether it was terminated. Every role may end its own backends. The session for it is one beyond those that the
    /// collector allows itself, for as long as this takes: the place of the one that it ends is not free yet.
    async fn terminate(&self) -> bool {
        let process_id = self.process_id.load(Ordering::Relaxed);
        if process_id == 0 {
            return false;
        }
        let outcome = match tokio::time::timeout(LIMIT, self.ask_to_terminate(process_id)).await {
            Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        };
        let host = self.dsn.host.to_string();
        match &outcome {
            Ok(true) => tracing::warn!(
                host,
                process_id,
                "a statement of the collector did not end when it was cancelled; its backend was terminated"
            ),
            // It ended by itself.
            Ok(false) => {}
            Err(error) => tracing::warn!(host, process_id, error, "a statement of the collector cannot be ended"),
        }
        outcome == Ok(true)
    }

    async fn ask_to_terminate(&self, process_id: i32) -> anyhow::Result<bool> {
        let client = if connection::may_use_tls(&self.dsn) {
            let (client, connection) = self.config.connect(connection::connector(&self.dsn)?).await?;
            tokio::spawn(connection);
            client
        } else {
            let (client, connection) = self.config.connect(NoTls).await?;
            tokio::spawn(connection);
            client
        };
        // The number may be another backend's where something stands between.
        let sql = signed(
            "select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity as a
             where a.pid = $1 and a.usename = current_user
               and a.application_name = pg_catalog.current_setting('application_name')",
        );
        let row = client.query_typed_opt(&sql, &[(&process_id, tokio_postgres::types::Type::INT4)]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }
}
