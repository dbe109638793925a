//! How the tables of measurements are kept in the store: everything that makes, lists and drops parts of them.

mod at_once;
mod choice;
mod citus;
mod convert;
mod native;
mod timescale;

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

pub use convert::{Moved, to_timescale};

use crate::periods::{Period, Stretch};
use crate::tiers::Holding;
use crate::working::Working;
use crate::{Store, StoreError};

/// A way of keeping them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Partitions of PostgreSQL by time.
    #[default]
    Native,
    /// Hypertables of TimescaleDB, compressed when they are not written to any more.
    Timescale,
    /// Partitions by time, distributed by instance over the machines of a Citus cluster.
    Citus,
}

/// A table of measurements, by what decides how it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    name: String,
    /// How long what one partition holds; none where it is not divided by time.
    period: Option<Period>,
    /// The column by which single rows are looked for.
    id: Option<String>,
    /// What a row is of, beside instance and time.
    keys: Vec<String>,
}

impl Table {
    pub(crate) fn new<'a>(
        name: &str,
        period: Option<Period>,
        id: Option<&str>,
        keys: impl Iterator<Item = &'a str>,
    ) -> Self {
        let keys = keys.map(str::to_owned).collect();
        Self { name: name.to_owned(), period, id: id.map(str::to_owned), keys }
    }
}

/// A partition that is there.
#[derive(Clone, Debug)]
pub struct StoredPartition {
    /// The table that it is of.
    pub table: String,
    /// Its own name.
    pub name: String,
    /// When what it holds begins.
    pub start: Timestamp,
    /// When what it holds ends.
    pub end: Timestamp,
    /// What it takes on the disk, with indexes.
    pub bytes: i64,
    /// Whether retention has begun to take it.
    is_leaving: bool,
}

impl StoredPartition {
    /// From a row of [`Layout::partitions`]; none where somebody else made it, without bounds that are moments.
    #[must_use]
    pub fn from_row(row: &Row) -> Option<Self> {
        Some(Self {
            table: row.get(0),
            name: row.get(1),
            start: row.try_get(2).ok()?,
            end: row.try_get(3).ok()?,
            bytes: row.get(4),
            is_leaving: row.get(5),
        })
    }

    /// Whether it is past so many days, or was when retention began to take it.
    pub(crate) fn is_to_go(&self, now: Timestamp, days: i64) -> bool {
        self.is_leaving || self.is_past(now, days)
    }
}

/// What retention is at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiring<'a> {
    /// The set; none for what all sets share.
    pub(crate) set: Option<&'a str>,
    /// What tiers have to do with it; none where there are none.
    pub(crate) holding: Option<Holding>,
}

/// What became of a partition that is past its retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is dropped.
    Gone,
    /// Tiers are still to be made from it.
    Needed,
    /// Somebody uses it: the next run goes on.
    Held,
    /// The same, and until then no other of its table can go.
    HoldsAll,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Native, Self::Timescale, Self::Citus];

    /// As in `metrics.store` and `STORE_LAYOUT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Timescale => "timescale",
            Self::Citus => "citus",
        }
    }

    /// The partitions of the tables `$1`, oldest first, as [`StoredPartition::from_row`] takes them.
    #[must_use]
    pub fn partitions(self) -> String {
        match self {
            Self::Native => native::partitions("metrics", "pg_total_relation_size"),
            Self::Timescale => timescale::CHUNKS.to_owned(),
            Self::Citus => native::partitions("metrics", "citus_total_relation_size"),
        }
    }

    /// The statements that make a table of these columns, without indexes.
    pub(crate) fn create(self, table: &Table, columns: &str) -> String {
        let name = &table.name;
        let made = format!("create table metrics.\"{name}\" ({columns})");
        match (self, table.period) {
            (Self::Timescale, Some(period)) => format!("{made}; {}", timescale::hypertable(table, period)),
            (Self::Native | Self::Timescale, None) => format!("{made};"),
            (Self::Native, Some(_)) => format!("{made} partition by range (time);"),
            (Self::Citus, period) => {
                let by_time = if period.is_some() { " partition by range (time)" } else { "" };
                format!("{made}{by_time}; {}", citus::distribute(name))
            }
        }
    }

    /// Brings the fixed tables of a store that is being made to this layout.
    pub(crate) async fn adopt(self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        match self {
            Self::Native => Ok(()),
            Self::Timescale => timescale::adopt(transaction).await,
            Self::Citus => citus::adopt(transaction).await,
        }
    }

    /// What a transaction needs that changes rows which were written long ago.
    pub(crate) async fn prepare_rewriting(self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        match self {
            Self::Native => Ok(()),
            Self::Timescale => timescale::prepare_rewriting(transaction).await,
            Self::Citus => citus::prepare_rewriting(transaction).await,
        }
    }

    pub(crate) async fn stored(self, client: &Object, tables: &[&str]) -> Result<Vec<StoredPartition>, StoreError> {
        let rows = client.query(&self.partitions(), &[&tables]).await?;
        Ok(rows.iter().filter_map(StoredPartition::from_row).collect())
    }

    /// Whether there are such stores from before there were tiers, with rows that buckets are to be made of.
    pub(crate) fn was_before_tiers(self) -> bool {
        self == Self::Native
    }

    /// Whether partitions come into being with the rows that need them.
    pub(crate) fn makes_partitions_itself(self) -> bool {
        self == Self::Timescale
    }

    /// Makes the partition of a table where it is missing; answers whether it was.
    pub(crate) async fn make(self, client: &mut Working, table: &str, stretch: &Stretch) -> Result<bool, StoreError> {
        match self {
            Self::Native | Self::Citus => native::make(client, table, stretch).await,
            Self::Timescale => Ok(false),
        }
    }

    /// Drops a partition that is past its retention. An error leaves the connection in any state.
    pub(crate) async fn drop(
        self,
        client: &mut Working,
        expiring: &Expiring<'_>,
        partition: &StoredPartition,
    ) -> Result<Fate, StoreError> {
        match self {
            Self::Native => native::drop(client, expiring, partition).await,
            Self::Timescale => {
                at_once::drop(self, client, expiring, partition, &timescale::drop_chunk(partition)).await
            }
            Self::Citus => at_once::drop(self, client, expiring, partition, &native::drop_table(partition)).await,
        }
    }
}

/// What compressing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compressed {
    /// Chunks that were compressed.
    pub chunks: u64,
    /// Whether there are more of them.
    pub is_left: bool,
}

impl Store {
    /// Compresses what is not written to any more, where the layout has such a thing.
    ///
    /// # Errors
    /// When the store fails; running it again goes on where it stopped.
    pub async fn compress(&self, now: Timestamp) -> Result<Compressed, StoreError> {
        match self.layout {
            Layout::Native | Layout::Citus => Ok(Compressed::default()),
            Layout::Timescale => timescale::compress(self, now).await,
        }
    }
}
