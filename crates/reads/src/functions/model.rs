//! What travels of functions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::queries::model::{Direction, Reason, Unmeasured};
use crate::relations::model::Unreadable;

/// Which functions, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FunctionsQuery {
    /// Work after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Work up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// Of one database, by name or oid.
    pub(crate) database: Option<String>,
    /// Of one schema.
    pub(crate) schema: Option<String>,
    /// Whose name with its schema has this in it, whatever the case.
    pub(crate) search: Option<String>,
    /// The figure to order by.
    #[param(default = "self_time_ms")]
    pub(crate) order: Option<String>,
    /// Largest or least first; what is not known is last either way.
    #[param(inline)]
    pub(crate) direction: Option<Direction>,
    /// Functions at most.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Functions to skip.
    #[param(default = 0, minimum = 0)]
    pub(crate) offset: Option<usize>,
}

/// The functions and procedures that were called in a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Functions {
    /// In the order that was asked for.
    pub(crate) data: Vec<Function>,
    /// How many there are here.
    pub(crate) count: usize,
    /// How many match.
    pub(crate) total: usize,
    /// Of all that match.
    pub(crate) totals: FunctionTotals,
    /// The databases that were read, by name.
    pub(crate) databases: Vec<String>,
    /// The schemas that functions are in, by name.
    pub(crate) schemas: Vec<String>,
    /// `track_functions` at the end of the range: `none`, `pl` or `all`; null where it was not read.
    pub(crate) track: Option<String>,
    /// Why columns are null, or `data` is empty.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// What could not be read, here or in some of the databases.
    pub(crate) not_readable: Vec<Unreadable>,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read, of the database that was read most: rates are of that time.
    pub(crate) covered: Covered,
}

/// Sums over functions.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct FunctionTotals {
    /// How many functions.
    pub(crate) functions: usize,
    /// Calls.
    pub(crate) calls: Option<f64>,
    /// Time in them alone, in milliseconds: what shares are of.
    pub(crate) self_time_ms: Option<f64>,
}

/// A function or procedure. Sums over the range; null is not known.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Function {
    /// Its database; its oid where the name is not known.
    pub(crate) database: String,
    /// The database's oid.
    pub(crate) datid: i64,
    /// Its oid.
    pub(crate) funcid: i64,
    /// Its schema.
    pub(crate) schema: Option<String>,
    /// Its name; null where it was not read yet.
    pub(crate) name: Option<String>,
    /// Types of its arguments that go in, separated by commas.
    pub(crate) arguments: Option<String>,
    /// `f` function, `p` procedure, `w` window function, `a` aggregate.
    pub(crate) kind: Option<String>,
    /// Its language, such as `plpgsql`, `sql` or `c`.
    pub(crate) language: Option<String>,
    /// Calls.
    pub(crate) calls: Option<f64>,
    /// Calls per second.
    pub(crate) calls_per_s: Option<f64>,
    /// Milliseconds in it and in functions that it called: those are counted with them too, so these do not add up.
    pub(crate) total_time_ms: Option<f64>,
    /// Milliseconds in it alone, statements that it ran included.
    pub(crate) self_time_ms: Option<f64>,
    /// Milliseconds of one call, with functions that it called.
    pub(crate) mean_time_ms: Option<f64>,
    /// Milliseconds of one call in it alone.
    pub(crate) mean_self_time_ms: Option<f64>,
    /// Its share of the time in all functions of the instance, 0 to 1.
    pub(crate) share: Option<f64>,
}
