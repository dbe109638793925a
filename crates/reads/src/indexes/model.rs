//! What travels of indexes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::queries::model::{Direction, Reason, Unmeasured};
use crate::relations::model::{Partitions, Unreadable};

/// Which indexes, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct IndexesQuery {
    /// Work after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Work up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// Sizes and findings as they were then; else at the end of the range.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
    /// Of one database, by name or oid.
    pub(crate) database: Option<String>,
    /// Of one schema.
    pub(crate) schema: Option<String>,
    /// Of the table with this oid.
    pub(crate) relid: Option<i64>,
    /// Whose name, or whose table's name, has this in it, whatever the case.
    pub(crate) search: Option<String>,
    /// With this finding only.
    #[param(inline)]
    pub(crate) finding: Option<Finding>,
    /// PostgreSQL's own indexes too.
    #[param(default = false)]
    pub(crate) system: Option<bool>,
    /// Indexes of partitions summed under that of their topmost table, or each by itself.
    #[param(inline, default = "fold")]
    pub(crate) partitions: Option<Partitions>,
    /// The figure to order by; `finding` is the gravest first.
    #[param(default = "finding")]
    pub(crate) order: Option<String>,
    /// Largest or least first; what is not known is last either way.
    #[param(inline)]
    pub(crate) direction: Option<Direction>,
    /// Indexes at most.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Indexes to skip.
    #[param(default = 0, minimum = 0)]
    pub(crate) offset: Option<usize>,
}

/// The indexes of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Indexes {
    /// In the order that was asked for.
    pub(crate) data: Vec<Index>,
    /// How many there are here.
    pub(crate) count: usize,
    /// How many match.
    pub(crate) total: usize,
    /// Of all that match.
    pub(crate) totals: IndexTotals,
    /// The databases that were read, by name.
    pub(crate) databases: Vec<String>,
    /// The schemas that indexes are in, by name.
    pub(crate) schemas: Vec<String>,
    /// Days of statistics without a scan after which an index is called unused.
    pub(crate) unused_after_days: i64,
    /// The newest of the readings that this is from; null when there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// The oldest of them: databases are read one after the other.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) oldest_at: Option<Timestamp>,
    /// Why columns are null.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// What could not be read, here or in some of the databases.
    pub(crate) not_readable: Vec<Unreadable>,
    /// Parts of the range in which something is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read, of the database that was read most: rates are of that time.
    pub(crate) covered: Covered,
}

/// Sums over indexes.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct IndexTotals {
    /// How many indexes; those of partitions count as one where they are summed.
    pub(crate) indexes: usize,
    /// Their bytes.
    pub(crate) size_bytes: Option<i64>,
    /// Estimated bloat of those of which it can be estimated.
    pub(crate) bloat_bytes: Option<i64>,
    /// How many are invalid.
    pub(crate) invalid: usize,
    /// How many are the same as another one.
    pub(crate) duplicate: usize,
    /// How many are not used.
    pub(crate) unused: usize,
    /// Bytes of those with a finding that nothing depends on.
    pub(crate) droppable_bytes: Option<i64>,
}

/// What is wrong with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Finding {
    /// Queries cannot use it, and writes pay for it.
    Invalid,
    /// Another index of the table is the same.
    Duplicate,
    /// Nobody scanned it for as long as it is known.
    Unused,
}

impl From<judgement::indexes::Finding> for Finding {
    fn from(finding: judgement::indexes::Finding) -> Self {
        match finding {
            judgement::indexes::Finding::Invalid => Self::Invalid,
            judgement::indexes::Finding::Duplicate => Self::Duplicate,
            judgement::indexes::Finding::Unused => Self::Unused,
        }
    }
}

/// An index.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Index {
    /// Its database; its oid where the name is not known.
    pub(crate) database: String,
    /// The database's oid.
    pub(crate) datid: i64,
    /// Its oid.
    pub(crate) indexrelid: i64,
    /// Its table's oid.
    pub(crate) relid: Option<i64>,
    /// Its schema.
    pub(crate) schema: Option<String>,
    /// Its name; null where it was not read yet.
    pub(crate) name: Option<String>,
    /// Its table's name.
    pub(crate) table: Option<String>,
    /// Its access method, such as `btree`.
    pub(crate) method: Option<String>,
    /// Its key columns, with `(expression)` for each expression.
    pub(crate) columns: Option<String>,
    /// Columns that it carries besides its key.
    pub(crate) included: Option<String>,
    /// Whether it holds only rows that a condition selects.
    pub(crate) predicate: bool,
    /// Whether it refuses equal keys.
    pub(crate) unique: bool,
    /// Whether it is the primary key.
    pub(crate) primary: bool,
    /// What depends on it: `primary key`, `unique`, `exclusion`, `foreign key`, `replica identity`,
    /// `own foreign key` (whose rows it finds); null for nothing.
    pub(crate) needed_for: Option<String>,
    /// How many indexes of partitions are summed here; null for one of its own.
    pub(crate) partitions: Option<usize>,
    /// Its bytes.
    pub(crate) size_bytes: Option<i64>,
    /// True where files could not be read and the size is pages that the last vacuum counted.
    pub(crate) size_is_estimate: bool,
    /// Bytes beyond what its entries would fill, estimated from statistics; null where that cannot be estimated, as of
    /// relations below 128 pages or with columns whose statistics may not be seen. The set `bloat` has the formula.
    pub(crate) bloat_bytes: Option<i64>,
    /// That as a share of its pages, 0 to 1.
    pub(crate) bloat_ratio: Option<f64>,
    /// Scans in the range.
    pub(crate) scans_per_s: Option<f64>,
    /// Entries read by them.
    pub(crate) rows_read_per_s: Option<f64>,
    /// Rows of the table fetched by them.
    pub(crate) rows_fetched_per_s: Option<f64>,
    /// Scans since its statistics began, as PostgreSQL counts them.
    pub(crate) scans: Option<i64>,
    /// When statistics of its database were last reset; null when never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) scans_since: Option<Timestamp>,
    /// From when on no scan can have been missed: the last reset, or the first reading of the index if that is later.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) known_since: Option<Timestamp>,
    /// When it was last scanned; null when never, and before PostgreSQL 16.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_scan: Option<Timestamp>,
    /// The gravest thing that is wrong with it.
    #[schema(value_type = Option<Finding>)]
    pub(crate) finding: Option<Finding>,
    /// The same as a sentence; or why it cannot be told whether it is used.
    pub(crate) message: Option<String>,
    /// The index that is the same as this one and is to stay.
    pub(crate) duplicate_of: Option<String>,
    /// Whether it can go: it has a finding, nothing depends on it, and nobody is known to scan it.
    pub(crate) droppable: bool,
    /// When it was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) read_at: Option<Timestamp>,
}
