//! Retention.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Holding;
use store::retention::RetentionChange;
use store::tiers::Tier;
use utoipa::{IntoParams, ToSchema};

/// Raw rows, or what is kept of them per 5 minutes, hour, day or week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TierName {
    /// Rows as they were delivered.
    #[serde(rename = "raw")]
    Raw,
    /// Per 5 minutes.
    #[serde(rename = "5m")]
    Minutes,
    /// Per hour.
    #[serde(rename = "1h")]
    Hours,
    /// Per day.
    #[serde(rename = "1d")]
    Days,
    /// Per week.
    #[serde(rename = "1w")]
    Weeks,
}

impl From<TierName> for Holding {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Raw => Self::Raw,
            TierName::Minutes => Self::Buckets(Tier::Minutes),
            TierName::Hours => Self::Buckets(Tier::Hours),
            TierName::Days => Self::Buckets(Tier::Days),
            TierName::Weeks => Self::Buckets(Tier::Weeks),
        }
    }
}

impl FromStr for TierName {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        let holding = Holding::ALL.into_iter().find(|holding| holding.name() == text);
        holding.map(Self::from).ok_or(UnknownTier)
    }
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Holding::from(*self).name())
    }
}

/// No name of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be raw, 5m, 1h, 1d or 1w")]
pub struct UnknownTier;

impl From<Holding> for TierName {
    fn from(holding: Holding) -> Self {
        match holding {
            Holding::Raw => Self::Raw,
            Holding::Buckets(Tier::Minutes) => Self::Minutes,
            Holding::Buckets(Tier::Hours) => Self::Hours,
            Holding::Buckets(Tier::Days) => Self::Days,
            Holding::Buckets(Tier::Weeks) => Self::Weeks,
        }
    }
}

/// Changes of retention: all are made or none.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRetention {
    /// One for each set and tier; what is not named stays.
    pub changes: Vec<ChangeDays>,
}

/// How long one tier of a set is to be kept.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeDays {
    /// The set.
    pub set: String,
    /// Its tier.
    pub tier: TierName,
    /// 1 to 3660, of 5m 15 or more, and not fewer than of a finer tier; null for the default.
    pub days: Option<i64>,
}

impl From<&ChangeDays> for RetentionChange {
    fn from(change: &ChangeDays) -> Self {
        Self { set: change.set.clone(), holding: change.tier.into(), days: change.days }
    }
}

/// Whether to change anything.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ChangeQuery {
    /// Only say what would be in force and what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// How long what is kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Retention {
    /// The sets whose rows have an end, by name.
    pub data: Vec<KeptSet>,
    /// What explains the rows of all sets (`readings`, `cuts`): kept as long as those of the set that is kept longest.
    pub shared: Vec<KeptSet>,
    /// What all of them take on the disk, with indexes.
    pub bytes: i64,
    /// Of these, what is past its days: the job `retention` drops it when its tiers are made.
    pub expired_bytes: i64,
    /// Of these, what is past them by the change that was asked for; 0 where none was.
    pub freed_bytes: i64,
}

/// One set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeptSet {
    /// Its name.
    pub set: String,
    /// Its raw rows and tiers, the finest first; sets of events have raw rows only.
    pub tiers: Vec<KeptTier>,
}

/// One tier of a set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeptTier {
    /// Which.
    pub tier: TierName,
    /// The days in force.
    pub days: i64,
    /// The days where nothing else is said.
    pub default_days: i64,
    /// How many partitions there are: of a day each for raw rows, of a month for 5 minutes, of a year for the others; in
    /// a store with TimescaleDB of 7 and 30 days. A partition goes when all of it is past its days.
    pub partitions: i64,
    /// What they take on the disk, with indexes.
    pub bytes: i64,
    /// Of these, what is past its days.
    pub expired_bytes: i64,
    /// When the oldest partition ends; null where there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_end: Option<Timestamp>,
}
