//! Ages of databases.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::holders::model::Holder;
use crate::queries::model::{Reason, Unmeasured};
use crate::range::Grid;

/// How near the databases of an instance are to wraparound.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Wraparound {
    /// When this was read; null when nothing was read shortly before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// The steps of all series.
    pub(crate) grid: Grid,
    /// The age at which PostgreSQL assigns no transaction id any more.
    pub(crate) xid_stop_age: i64,
    /// The same for multixacts.
    pub(crate) mxid_stop_age: i64,
    /// The nearest to the end first; templates and databases without connections count.
    pub(crate) data: Vec<DatabaseAge>,
    /// Why there is nothing.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
}

/// One database. Distances are negative where the age is past the limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseAge {
    /// Its oid.
    pub(crate) datid: i64,
    /// Its name; its oid where the name is not known.
    pub(crate) name: String,
    /// Of its transaction ids.
    pub(crate) xid: Age,
    /// The table with the oldest of them, temporary and shared ones among them; null where it was not read.
    pub(crate) xid_holder: Option<Holder>,
    /// Of its multixacts.
    pub(crate) mxid: Age,
    /// The table with the oldest of them.
    pub(crate) mxid_holder: Option<Holder>,
    /// Values on the grid.
    pub(crate) series: AgeSeries,
}

/// An age against its limits.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Age {
    /// How many were assigned since the oldest.
    pub(crate) age: Option<i64>,
    /// Of the age at which PostgreSQL stops, 0 to 1.
    pub(crate) share: Option<f64>,
    /// `autovacuum_freeze_max_age` or `autovacuum_multixact_freeze_max_age`.
    pub(crate) freeze_max_age: Option<i64>,
    /// Until autovacuum vacuums its oldest table whatever is switched off.
    pub(crate) to_forced_vacuum: Option<i64>,
    /// Until PostgreSQL stops.
    pub(crate) to_stop: Option<i64>,
}

impl Age {
    /// An age with its distances.
    pub(crate) fn of(age: Option<i64>, freeze_max_age: Option<i64>, stop: i64) -> Self {
        Self {
            age,
            share: age.map(|age| age as f64 / stop as f64),
            freeze_max_age,
            to_forced_vacuum: age.zip(freeze_max_age).map(|(age, limit)| limit - age),
            to_stop: age.map(|age| stop - age),
        }
    }
}

/// The highest within each step; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AgeSeries {
    /// Age of transaction ids.
    pub(crate) xid_age: Vec<Option<f64>>,
    /// Age of multixacts.
    pub(crate) mxid_age: Vec<Option<f64>>,
}
