//! The metrics store: schema `metrics` in PostgreSQL, derived from the catalogue.
//!
//! Owns the pool, the fixed tables, the tables of sets, partitions, tiers, retention, and the
//! known definitions. Leaves to `ingest` what is written and to the feature folders what is read.
//!
//! ```text
//! catalogue ─► tables (create, widen) ─► partitions (made ahead, made on demand, dropped)
//!           └► definitions (hash → how a reading becomes rows)
//! ```

mod definitions;
mod derived;
mod error;
mod expiry;
mod fitness;
mod infos;
mod instances;
mod jobs;
mod layout;
mod life;
pub mod migrations;
mod nearest;
mod partitions;
mod periods;
mod pool;
pub mod retention;
mod schema;
pub mod sizes;
mod tables;
pub mod tiers;
mod views;
mod why;
mod working;

use std::sync::Arc;

use catalog::Catalog;
use deadpool_postgres::{Object, Pool};
use uuid::Uuid;

pub use definitions::{CustomSets, DefinitionError, Definitions, Known, text_places};
pub use error::{Failure, Short, StoreError};
pub use fitness::{OLDEST_STORE, check, too_old};
pub use instances::{Identity, Instances, Numbered, Told};
pub use jobs::{Holder, Job, Outcome};
pub use layout::{Layout, Moved, StoredPartition, to_timescale};
pub use life::{By, LifeError};
pub use nearest::nearest;
pub use partitions::{Day, Expired, PARTITIONED_FIXED, Partitions};
pub use pool::{PoolSettings, ReadPool, open, open_with_reads};
pub use schema::READER;
pub use tiers::{Holding, RolledUp};
pub use why::{NO_ANSWER, NO_CONNECTION, READ_ONLY, UNANSWERED, why};

/// Clocks that differ by no more are taken for one, in microseconds.
pub const CLOCK_TOLERANCE_US: i64 = 2_000_000;

/// The store of what was measured.
#[derive(Debug)]
pub struct Store {
    pool: Pool,
    catalog: Arc<Catalog>,
    definitions: Definitions,
    instances: Instances,
    partitions: Partitions,
    layout: Layout,
    store_id: Uuid,
}

impl Store {
    /// Makes or widens everything that schema `metrics` needs. Safe to run on several servers at once.
    ///
    /// # Errors
    /// When the database cannot be reached, denies a statement, or holds tables that contradict the catalogue.
    pub async fn prepare(pool: Pool, catalog: Arc<Catalog>) -> Result<Self, StoreError> {
        Self::prepare_as(pool, catalog, None).await
    }

    /// The same; a store that is made now gets this layout, or the one that its database is ready for.
    ///
    /// # Errors
    /// Also when the layout cannot be had.
    pub async fn prepare_as(pool: Pool, catalog: Arc<Catalog>, wanted: Option<Layout>) -> Result<Self, StoreError> {
        let mut client = pool.get().await?;
        migrations::METRICS.migrate(&mut client).await?;
        let chosen = Layout::choose(&client, wanted).await?;
        let mut transaction = client.transaction().await?;
        let (store_id, layout, definitions) = schema::prepare(&mut transaction, chosen, &catalog).await?;
        jobs::prepare(&transaction).await?;
        // The store's clock decides: a server's may be off.
        let now = transaction.query_one("select now()", &[]).await?.get(0);
        transaction.commit().await?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != layout) {
            let (wanted, layout) = (wanted.name(), layout.name());
            tracing::warn!(wanted, layout, "the store stays as it was made: STORE_LAYOUT is for stores that are made");
        }
        schema::create_reader(&mut client).await?;
        drop(client);
        let partitions = Partitions::default();
        let store = Self { pool, catalog, definitions, instances: Instances::default(), partitions, layout, store_id };
        store.make_partitions_ahead(now).await?;
        Ok(store)
    }

    /// Takes a store as it is: nothing is made or changed, and only what is stored is known.
    ///
    /// # Errors
    /// When there is none, or not of this version.
    pub async fn as_it_is(pool: Pool, catalog: Arc<Catalog>) -> Result<Self, StoreError> {
        let client = pool.get().await?;
        migrations::METRICS.check(&client).await?;
        let (store_id, layout, definitions) = schema::stored(&client).await?;
        drop(client);
        let (instances, partitions) = (Instances::default(), Partitions::default());
        Ok(Self { pool, catalog, definitions, instances, partitions, layout, store_id })
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// When none becomes free in time or a new one cannot be opened.
    pub async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// The pool itself.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The sets that came with the binary or from `CATALOG_DIR`.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The definitions that this server knows.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The identities of instances.
    #[must_use]
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// The partitions that are known to exist.
    #[must_use]
    pub fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// How its tables are kept.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The identity of this store, made once.
    #[must_use]
    pub fn store_id(&self) -> Uuid {
        self.store_id
    }
}
