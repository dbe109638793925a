//! Cancelling what runs on a connection that is given up.

use anyhow::Result;
use config::dsn::Dsn;
use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{connector, may_use_tls};

/// Cancels what runs on a pool's connections, over the same kind of connection.
#[derive(Clone, Default)]
pub struct Canceller(Option<MakeRustlsConnect>);

impl Canceller {
    /// For connections of this connection string.
    ///
    /// # Errors
    /// When TLS is asked for and its files cannot be read.
    pub fn of(dsn: &Dsn) -> Result<Self> {
        may_use_tls(dsn).then(|| connector(dsn)).transpose().map(Self)
    }

    /// Asks PostgreSQL to give up what runs on a connection.
    ///
    /// # Errors
    /// When it cannot be asked; the statement's own time ends it then.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), tokio_postgres::Error> {
        match &self.0 {
            None => token.cancel_query(NoTls).await,
            Some(tls) => token.cancel_query(tls.clone()).await,
        }
    }
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Canceller").field(&self.0.is_some()).finish()
    }
}
