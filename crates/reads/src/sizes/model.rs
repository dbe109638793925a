//! What the store takes.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::retention::model::TierName;

/// The disk that the store is on, as far as the server can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// The server is on the same machine.
    Seen {
        /// What it holds.
        size_bytes: i64,
        /// What the store can still take of it.
        free_bytes: i64,
    },
    /// A setting says what it holds.
    Said {
        /// That many bytes.
        size_bytes: i64,
    },
    /// It cannot.
    Unknown {
        /// Why, in a sentence.
        reason: String,
    },
}

/// What the store takes on the disk, and how that grows. Growth is the difference between the newest daily note and the
/// oldest one of the 30 days before it, by the time between them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoreSizes {
    /// What the database takes now, with indexes and what is not measured data.
    pub bytes: i64,
    /// What it grows by in a day; null while it is not known.
    pub bytes_per_day: Option<f64>,
    /// From when on growth is looked at; null while it is not known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// What it took when sizes were noted last: `sets` and `others` together; null before the first time.
    pub noted_bytes: Option<i64>,
    /// When sizes were noted last, which is done daily; null before the first time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub noted_at: Option<Timestamp>,
    /// Why growth is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The disk that it is on.
    pub disk: StoreDisk,
    /// The sets, and what explains their rows, by name; as noted last.
    pub sets: Vec<SetSize>,
    /// What the database has beside them: names and texts, what is due, accounts, the system's own tables.
    pub others: OtherSize,
    /// The instances, the largest first; as noted last.
    pub instances: Vec<InstanceSize>,
    /// What the database took at each note, the oldest first.
    pub history: Vec<NotedSize>,
}

impl StoreSizes {
    /// What a tier of a set grows by in a day, where that is known.
    #[must_use]
    pub fn growth_of(&self, set: &str, tier: TierName) -> Option<f64> {
        let set = self.sets.iter().find(|one| one.set == set)?;
        set.tiers.iter().find(|one| one.tier == tier)?.bytes_per_day
    }
}

/// The disk of the store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoreDisk {
    /// What it holds.
    pub size_bytes: Option<i64>,
    /// What the store can still take of it.
    pub free_bytes: Option<i64>,
    /// When it is full, if the store grows on as it did and nothing else takes room; null where that cannot be told or is
    /// more than ten years away.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub full_at: Option<Timestamp>,
    /// Why something of this is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a set takes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SetSize {
    /// Its name; `readings` and `cuts` explain the rows of all.
    pub set: String,
    /// Its raw rows and tiers, the finest first.
    pub tiers: Vec<TierSize>,
}

/// What a tier of a set takes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TierSize {
    /// Which.
    pub tier: TierName,
    /// Bytes with indexes.
    pub bytes: i64,
    /// Rows, as PostgreSQL estimates them; null where it did not yet.
    pub rows: Option<i64>,
    /// What it grows by in a day; null while it is not known.
    pub bytes_per_day: Option<f64>,
}

/// What the rest takes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OtherSize {
    /// Bytes.
    pub bytes: i64,
    /// What it grows by in a day; null while it is not known.
    pub bytes_per_day: Option<f64>,
}

/// The share of an instance: what each set takes is divided by the rows that were stored of each instance in the 30 days
/// before, as instances share tables. What is not of sets is nobody's.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InstanceSize {
    /// The instance.
    pub instance_id: i32,
    /// Its name.
    pub name: String,
    /// Its share of the bytes.
    pub bytes: i64,
    /// Its share of the rows, which are estimated.
    pub rows: Option<i64>,
    /// What its share grows by in a day; null while it is not known.
    pub bytes_per_day: Option<f64>,
}

/// What the database took at a moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotedSize {
    /// When it was noted.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it took.
    pub bytes: i64,
}
