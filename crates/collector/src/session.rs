//! An open connection, and how its texts are read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::abandoned::Awaited;
use crate::denied;
use crate::foreign::Decoder;
use crate::read::{self, ReadError};

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    /// `server_version_num`, where the connection told it.
    pub(crate) version_num: Option<u32>,
    decoder: Decoder,
    marked: AtomicU64,
    /// Whether it did not answer in time.
    silent: AtomicBool,
    /// Says that nobody waits for an answer any more when it is dropped.
    awaited: Option<Awaited>,
}

impl From<Client> for Session {
    /// A session whose texts are UTF-8 or none.
    fn from(client: Client) -> Self {
        Self::new(client, None, Decoder::default())
    }
}

impl Session {
    /// A session of a server's version, with the way in which its texts are read.
    #[must_use]
    pub fn new(client: Client, version_num: Option<u32>, decoder: Decoder) -> Self {
        Self { client, version_num, decoder, marked: AtomicU64::new(0), silent: AtomicBool::new(false), awaited: None }
    }

    /// The same with what its connection is told when it is dropped.
    pub(crate) fn awaited(mut self, awaited: Awaited) -> Self {
        self.awaited = Some(awaited);
        self
    }

    /// Whether its server is older than a version; one that did not tell its own is of today.
    pub(crate) fn is_before(&self, version_num: u32) -> bool {
        self.version_num.is_some_and(|own| own < version_num)
    }

    /// Whether it can be asked another question.
    pub(crate) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.silent.load(Ordering::Relaxed)
    }

    /// What is asked over it, if it answers in time; who did not is not asked again.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        asked: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
            self.silent.store(true, Ordering::Relaxed);
            Err(ReadError::Silent(limit))
        })
    }

    /// What a question to this session's client answers; where the role lacks a right, with what mends that.
    pub(crate) async fn told<T>(&self, question: impl Future<Output = Result<T, Error>>) -> Result<T, ReadError> {
        match question.await {
            Ok(answer) => Ok(answer),
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                let fix = denied::fix(self, &error).await;
                Err(ReadError::Denied { error, fix })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the open transaction and closes the connection: PostgreSQL counts one that breaks off as rolled back.
    pub(crate) async fn commit(self) {
        let commit = read::signed("commit");
        // Whether it went through or not, nothing was written.
        let _ = tokio::time::timeout(read::limit(), self.client.execute_typed(&commit, &[])).await;
    }

    /// A text as it is shown; what could not be read is counted.
    pub(crate) fn read<'a>(&self, bytes: &'a [u8]) -> std::borrow::Cow<'a, str> {
        let (text, marked) = self.decoder.read(bytes);
        if marked {
            self.marked.fetch_add(1, Ordering::Relaxed);
        }
        text
    }

    /// How many texts could not be read as a whole since this was last asked.
    pub(crate) fn take_marked(&self) -> u64 {
        self.marked.swap(0, Ordering::Relaxed)
    }

    /// The text in a column of a row.
    pub(crate) fn text(&self, row: &Row, column: &str) -> Result<String, Error> {
        Ok(self.known_text(row, column)?.unwrap_or_default())
    }

    /// The text in a column of a row, if there is one.
    pub(crate) fn known_text(&self, row: &Row, column: &str) -> Result<Option<String>, Error> {
        let Bytes(bytes) = row.try_get(column)?;
        Ok(bytes.map(|bytes| self.read(bytes).into_owned()))
    }

    /// The texts in a column that is an array.
    pub(crate) fn texts(&self, row: &Row, column: &str) -> Result<Vec<Option<String>>, Error> {
        let members: Vec<Bytes<'_>> = row.try_get(column)?;
        Ok(members.iter().map(|Bytes(bytes)| bytes.map(|bytes| self.read(bytes).into_owned())).collect())
    }
}

/// Any value as its bytes.
pub(crate) struct Bytes<'a>(pub(crate) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
