//! What can go wrong in the store, and what it means for whoever sent the data.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::migrations::MigrationError;
use crate::why::{NO_CONNECTION, why, without_state};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection.
    #[error("get a connection to the store")]
    Pool(#[from] PoolError),
    /// A statement failed.
    #[error("run a statement in the store")]
    Postgres(#[from] tokio_postgres::Error),
    /// Schema `metrics` could not be brought up to date.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The address of the store cannot be used.
    #[error("store address: {0}")]
    Address(String),
    /// Nobody answers at the store's address, or who answers refuses: a sentence with place, role and database.
    #[error("{0}")]
    Unreachable(String),
    /// What answers is no PostgreSQL that a store can be kept in, or not by this role.
    #[error("{0}")]
    Unfit(String),
    /// A stored definition does not parse or contradicts the catalogue.
    #[error("definition of set {set}: {reason}")]
    Definition {
        /// The set.
        set: String,
        /// What is wrong.
        reason: String,
    },
    /// Writing took longer than allowed.
    #[error("the store did not answer in time")]
    Timeout,
    /// The transaction of several batches failed; the error stands with one of them.
    #[error("the transaction that was shared with other batches failed")]
    Shared {
        /// What the error says about the store.
        why: &'static str,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed,
    /// An instance was removed while a batch of it came in.
    #[error("instance of a batch is gone")]
    Gone,
    /// Another name delivered an instance until now; whether it still does is not known yet.
    #[error("whether another collector still watches an instance of the batch is not known yet")]
    Undecided,
    /// An instance of a batch went on under another name while the batch came in.
    #[error("an instance of the batch went on under another name")]
    WentOn,
    /// A partition cannot be made while the one in its place is on its way out.
    #[error("a partition that retention takes is still read")]
    Held,
}

/// What a server is short of, whose store may be well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// Connections to the store.
    Connections,
    /// Time: it is stopping.
    Stopping,
    /// Knowledge of who watches an instance.
    Watcher,
}

impl Short {
    /// As a sentence's words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Connections => "all of the server's connections to the store (MAX_DATABASE_CONNS) are in use",
            Self::Stopping => "the server is stopping",
            Self::Watcher => "whether another collector still watches this instance is not known yet",
        }
    }
}

/// What a failure means for the batch that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The values themselves: sending them again changes nothing.
    Values,
    /// The store, now: sending them again may work.
    Unavailable,
}

impl StoreError {
    /// Whose fault it is: SQLSTATE classes 22 and 23 and 54 (limits of the program, such as an
    /// index entry that is too long) are the values', everything else is the store's.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self.sql_state().map(|state| &state.code()[..2]) {
            Some("22" | "23" | "54") => Failure::Values,
            _ => Failure::Unavailable,
        }
    }

    /// What the failure says about the store.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match (self, self.sql_state()) {
            (Self::Shared { why }, _) => why,
            (Self::Held, _) => "a reader holds back a partition that retention takes",
            (Self::Gone, _) => "it lost an instance while a batch of it came in",
            (Self::Pool(PoolError::Timeout(TimeoutType::Wait)), _) => NO_CONNECTION,
            (_, None) => without_state(self),
            (_, Some(state)) => why(state).unwrap_or("it refuses a statement"),
        }
    }

    /// What the server is short of, where that is all that failed.
    #[must_use]
    pub fn short(&self) -> Option<Short> {
        match self {
            Self::Pool(PoolError::Timeout(TimeoutType::Wait)) => Some(Short::Connections),
            Self::Closed => Some(Short::Stopping),
            Self::Undecided | Self::WentOn => Some(Short::Watcher),
            _ => None,
        }
    }

    /// The SQLSTATE, where the database gave one.
    #[must_use]
    pub fn sql_state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error)
            | Self::Migration(MigrationError::Postgres(error) | MigrationError::Run { source: error, .. }) => {
                error.code()
            }
            Self::Pool(PoolError::Backend(error)) => error.code(),
            _ => None,
        }
    }
}
