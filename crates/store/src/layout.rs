//! How the tables of measurements are kept in the store: everything that makes, lists and drops parts of them.

mod native;

use deadpool_postgres::Object;
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::StoreError;
use crate::periods::Stretch;
use crate::tiers::Holding;
use crate::working::Working;

/// A way of keeping them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Partitions of PostgreSQL by time.
    #[default]
    Native,
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
    /// The partitions of the tables `$1`, oldest first, as [`StoredPartition::from_row`] takes them.
    #[must_use]
    pub fn partitions(self) -> String {
        match self {
            Self::Native => native::partitions("pg_total_relation_size"),
        }
    }

    /// What stands after the columns of a table that is partitioned by time.
    pub(crate) fn partitioned(self) -> &'static str {
        match self {
            Self::Native => " partition by range (time)",
        }
    }

    pub(crate) async fn stored(self, client: &Object, tables: &[&str]) -> Result<Vec<StoredPartition>, StoreError> {
        let rows = client.query(&self.partitions(), &[&tables]).await?;
        Ok(rows.iter().filter_map(StoredPartition::from_row).collect())
    }

    /// Makes the partition of a table where it is missing; answers whether it was.
    pub(crate) async fn make(self, client: &mut Working, table: &str, stretch: &Stretch) -> Result<bool, StoreError> {
        match self {
            Self::Native => native::make(client, table, stretch).await,
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
        }
    }
}
