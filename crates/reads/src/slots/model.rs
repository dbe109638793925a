//! An instance's replication slots.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gaps::Gap;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// The slots of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Slots {
    /// When they were read; null when nothing was read shortly before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// By retained bytes, the most first.
    pub(crate) data: Vec<Slot>,
    /// Why columns are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
}

/// One slot, as it was read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Slot {
    /// Its name.
    pub(crate) slot_name: String,
    /// `physical` or `logical`.
    pub(crate) slot_type: Option<String>,
    /// The output plugin of a logical slot.
    pub(crate) plugin: Option<String>,
    /// The database of a logical slot.
    pub(crate) database: Option<String>,
    /// Whether it goes with its session.
    pub(crate) temporary: Option<bool>,
    /// Whether somebody uses it.
    pub(crate) active: Option<bool>,
    /// Who uses it.
    pub(crate) active_pid: Option<i32>,
    /// Age in transactions of the oldest one that it needs.
    pub(crate) xmin_age: Option<i64>,
    /// The same for the system catalogs.
    pub(crate) catalog_xmin_age: Option<i64>,
    /// WAL is kept from here on.
    pub(crate) restart_lsn: Option<String>,
    /// Confirmed by the consumer up to here.
    pub(crate) confirmed_flush_lsn: Option<String>,
    /// Bytes of WAL that it keeps.
    pub(crate) retained_bytes: Option<i64>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub(crate) wal_status: Option<String>,
    /// Bytes until it is in danger; null also where nothing limits it.
    pub(crate) safe_wal_size: Option<i64>,
    /// Whether it decodes prepared transactions.
    pub(crate) two_phase: Option<bool>,
    /// Whether it was invalidated by a conflict with recovery.
    pub(crate) conflicting: Option<bool>,
    /// Why it is of no use any more.
    pub(crate) invalidation_reason: Option<String>,
    /// Since when nobody uses it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) inactive_since: Option<Timestamp>,
    /// Whether standbys are to have it too.
    pub(crate) failover: Option<bool>,
    /// Whether it was copied from a primary.
    pub(crate) synced: Option<bool>,
    /// Values on the grid.
    pub(crate) series: SlotSeries,
}

/// The most within each step; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SlotSeries {
    /// Bytes of WAL that it kept.
    pub(crate) retained_bytes: Vec<Option<f64>>,
}
