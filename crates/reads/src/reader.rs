//! The one way to read the metrics store: a snapshot, of what its caller may see.
//!
//! Reads have connections of their own, so that ingest never waits for them; how many there are bounds the reads at
//! once. A read that nobody waits for any more is cancelled in PostgreSQL, and its connection is never handed on.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use catalog::Catalog;
use connection::Canceller;
use deadpool_postgres::{Object, PoolError, TimeoutType};
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error, Row};

use crate::error::ReadError;
use crate::parts::standing::Standing;
use store::tiers::Tiered;
use store::{Definitions, Layout, ReadPool, Store};

/// Begins a snapshot whose statements are given up after ten seconds; compiling them is never worth it.
const BEGIN: &str = "begin isolation level repeatable read read only;
    set local statement_timeout = '10s'; set local jit = off";

/// Which instances somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// All of them.
    All,
    /// These.
    Only(Arc<[i32]>),
}

/// An instance that is there and that the caller of a snapshot may see: nothing but a snapshot gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(Default))]
pub struct InstanceId(i32);

impl InstanceId {
    #[cfg(test)]
    pub(crate) fn of(number: i32) -> Self {
        Self(number)
    }

    /// `metrics.instances.id`.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ToSql for InstanceId {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <i32 as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// From rows of statements that ask for visible instances alone: for those they were given, or [`Snapshot::visible`].
impl<'a> FromSql<'a> for InstanceId {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        i32::from_sql(kind, raw).map(Self)
    }

    fn accepts(kind: &Type) -> bool {
        <i32 as FromSql<'_>>::accepts(kind)
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum NoSnapshot {
    /// As many reads are under way as may be, and none ended in time.
    #[error("too many reads are under way")]
    Busy,
    /// There is no connection.
    #[error("get a connection to the store")]
    Pool(#[source] PoolError),
    /// The store refuses to begin one.
    #[error("begin a snapshot")]
    Store(#[from] Error),
}

impl From<PoolError> for NoSnapshot {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Backend(error) => Self::Store(error),
            other => Self::Pool(other),
        }
    }
}

/// Gives snapshots of a store.
#[derive(Debug)]
pub struct Reader {
    connections: ReadPool,
    store: Arc<Store>,
}

impl Reader {
    /// Over connections that nobody else uses.
    #[must_use]
    pub fn new(connections: ReadPool, store: Arc<Store>) -> Self {
        Self { connections, store }
    }

    /// A snapshot of now, for somebody with this view.
    ///
    /// # Errors
    /// When no connection becomes free in time, or the store does not answer.
    pub async fn begin(&self, view: View, now: Timestamp) -> Result<Snapshot, NoSnapshot> {
        let ReadPool { pool, canceller } = &self.connections;
        let client = Some(pool.get().await?);
        let connection = Connection { client, under_way: AtomicUsize::new(0), canceller: canceller.clone() };
        connection.run(connection.simple_query(BEGIN)).await?;
        Ok(Snapshot { connection, view, now, store: Arc::clone(&self.store), standing: Standing::default() })
    }
}

/// The store at one moment. When it goes, so does its transaction; with a statement still running, the connection.
pub struct Snapshot {
    connection: Connection,
    view: View,
    now: Timestamp,
    store: Arc<Store>,
    standing: Standing,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("view", &self.view).field("now", &self.now).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// When it was asked for, by the server's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What parts of ranges follow from, as far as it was asked for.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What is measured.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        self.store.catalog()
    }

    /// The sets with all columns that were ever measured.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        self.store.definitions()
    }

    /// How the store's tables are kept.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.store.layout()
    }

    /// A set's rows as its tiers have them; none where it has no figures.
    #[must_use]
    pub fn tiered(&self, set: &str) -> Option<Tiered> {
        Tiered::set(&self.definitions().set(set)?.definition)
    }

    /// The instance of this number, if it is there and may be seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn instance(&self, number: i32) -> Result<Option<InstanceId>, Error> {
        if !self.sees(InstanceId(number)) {
            return Ok(None);
        }
        let row = self.query_opt("select from metrics.instances where id = $1", &[&number]).await?;
        Ok(row.map(|_| InstanceId(number)))
    }

    /// The instances that may be seen, as a statement takes them: `$1::int4[] is null or i.id = any($1)`.
    #[must_use]
    pub fn visible(&self) -> Option<&[i32]> {
        match &self.view {
            View::All => None,
            View::Only(ids) => Some(ids),
        }
    }

    /// Whether an instance may be seen that a row tells of.
    #[must_use]
    pub fn sees(&self, id: InstanceId) -> bool {
        self.visible().is_none_or(|ids| ids.contains(&id.0))
    }

    /// The same of one instance, or of all where none is named.
    ///
    /// # Errors
    /// When the one that is named is not there or may not be seen, or the store fails.
    pub(crate) async fn visible_of(&self, number: Option<i32>) -> Result<Option<Vec<i32>>, ReadError> {
        let Some(number) = number else { return Ok(self.visible().map(<[i32]>::to_vec)) };
        let known = self.instance(number).await?;
        known.map(|id| Some(vec![id.0])).ok_or_else(|| ReadError::not_found("No such instance, or not yours to see."))
    }

    /// Rows of a statement, which is prepared once on each connection.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let client = &self.connection;
        client.run(async { client.query(&client.prepare_cached(sql).await?, parameters).await }).await
    }

    /// The one row of a statement.
    ///
    /// # Errors
    /// When the store fails, or there is another number of rows.
    pub async fn query_one(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        let client = &self.connection;
        client.run(async { client.query_one(&client.prepare_cached(sql).await?, parameters).await }).await
    }

    /// The first row of a statement, if there is one: what somebody else pushed may be there twice.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn query_opt(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// Rows of a statement that will hardly come again, so that it is not kept prepared.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn query_once(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let client = &self.connection;
        client.run(client.query(sql, parameters)).await
    }

    /// Rows of a statement about one instance, its `$1`, that will hardly come again: in one round trip.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn query_of(&self, sql: &str, id: InstanceId) -> Result<Vec<Row>, Error> {
        let client = &self.connection;
        client.run(client.query_typed(sql, &[(&id, Type::INT4)])).await
    }

    /// The same of a statement that sums many rows into few. Of several columns PostgreSQL takes a fifth of the rows for
    /// groups and would sort them all on disk; they are hashed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn query_grouped(&self, sql: &str, id: InstanceId) -> Result<Vec<Row>, Error> {
        // All three are sent at once, and run in this order.
        let (off, rows, on) = tokio::join!(
            self.set("set local enable_sort = off"),
            self.query_of(sql, id),
            self.set("set local enable_sort = on")
        );
        off?;
        let rows = rows?;
        on?;
        Ok(rows)
    }

    /// The one row of a statement about one instance, its `$1`, that will hardly come again.
    ///
    /// # Errors
    /// When the store fails, or there is another number of rows.
    pub async fn query_one_of(&self, sql: &str, id: InstanceId) -> Result<Row, Error> {
        let client = &self.connection;
        client.run(client.query_typed_one(sql, &[(&id, Type::INT4)])).await
    }

    /// Settings of the transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set(&self, sql: &str) -> Result<(), Error> {
        self.connection.run(self.connection.simple_query(sql)).await.map(|_| ())
    }
}

/// A connection in a transaction, with the number of its statements that were not answered yet.
#[derive(Debug)]
struct Connection {
    client: Option<Object>,
    under_way: AtomicUsize,
    canceller: Canceller,
}

impl Connection {
    /// Waits for an answer; where nobody does to the end, the statement stays under way.
    async fn run<T>(&self, statement: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let answer = statement.await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

impl Deref for Connection {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().expect("it is taken only when the connection goes")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(client));
            return;
        };
        if *self.under_way.get_mut() == 0 {
            runtime.spawn(async move {
                if client.simple_query("rollback").await.is_err() {
                    drop(Object::take(client));
                }
            });
            return;
        }
        let canceller = self.canceller.clone();
        let token = client.cancel_token();
        drop(Object::take(client));
        runtime.spawn(async move {
            if let Err(error) = canceller.cancel(&token).await {
                tracing::warn!(reason = connection::describe(&error), "a read that nobody waits for was not cancelled");
            }
        });
    }
}
