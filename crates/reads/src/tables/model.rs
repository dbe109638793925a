//! What travels of tables.

use jiff::Timestamp;
use judgement::autovacuum::{self, Distance};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::queries::model::{Direction, Reason, Unmeasured};
use crate::relations::model::{Partitions, Unreadable};

/// Which tables, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TablesQuery {
    /// Work after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Work up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// Sizes, rows and ages as they were then; else at the end of the range.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) at: Option<Timestamp>,
    /// Of one database, by name or oid.
    pub(crate) database: Option<String>,
    /// Of one schema.
    pub(crate) schema: Option<String>,
    /// Whose name with its schema has this in it, whatever the case.
    pub(crate) search: Option<String>,
    /// PostgreSQL's own tables too.
    #[param(default = false)]
    pub(crate) system: Option<bool>,
    /// Partitions summed under their topmost table, or each by itself.
    #[param(inline, default = "fold")]
    pub(crate) partitions: Option<Partitions>,
    /// The partitions of the topmost table with this oid, each by itself.
    pub(crate) root: Option<i64>,
    /// The figure to order by.
    #[param(default = "size_bytes")]
    pub(crate) order: Option<String>,
    /// Largest or least first; what is not known is last either way.
    #[param(inline)]
    pub(crate) direction: Option<Direction>,
    /// Tables at most.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Tables to skip.
    #[param(default = 0, minimum = 0)]
    pub(crate) offset: Option<usize>,
}

/// The tables of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tables {
    /// In the order that was asked for.
    pub(crate) data: Vec<Table>,
    /// How many there are here.
    pub(crate) count: usize,
    /// How many match.
    pub(crate) total: usize,
    /// Of all that match.
    pub(crate) totals: TableTotals,
    /// The databases that were read, by name.
    pub(crate) databases: Vec<String>,
    /// The schemas that tables are in, by name.
    pub(crate) schemas: Vec<String>,
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

/// Sums over tables.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct TableTotals {
    /// How many tables; partitions count as one with their table where they are summed under it.
    pub(crate) tables: usize,
    /// How many partitions are in them.
    pub(crate) partitions: usize,
    /// Bytes with indexes and TOAST.
    pub(crate) size_bytes: Option<i64>,
    /// Growth per day.
    pub(crate) growth_bytes_per_day: Option<f64>,
    /// Estimated bloat of those of which it can be estimated, indexes aside.
    pub(crate) bloat_bytes: Option<i64>,
    /// Dead rows.
    pub(crate) dead_rows: Option<i64>,
}

/// A table. Rates are over the readings of the range; null is not known.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Table {
    /// Its database; its oid where the name is not known.
    pub(crate) database: String,
    /// The database's oid.
    pub(crate) datid: i64,
    /// Its oid.
    pub(crate) relid: i64,
    /// Its schema.
    pub(crate) schema: Option<String>,
    /// Its name; null where it was not read yet.
    pub(crate) name: Option<String>,
    /// `table`, `partitioned` or `materialized_view`.
    pub(crate) kind: Option<String>,
    /// Whether a crash empties it.
    pub(crate) unlogged: bool,
    /// The topmost partitioned table above it.
    pub(crate) root_relid: Option<i64>,
    /// That table's name.
    pub(crate) root_name: Option<String>,
    /// How many partitions are summed here; null for a table of its own.
    pub(crate) partitions: Option<usize>,
    /// Bytes with indexes and TOAST.
    pub(crate) size_bytes: Option<i64>,
    /// Bytes of its rows with their maps.
    pub(crate) table_bytes: Option<i64>,
    /// Bytes of its indexes.
    pub(crate) indexes_bytes: Option<i64>,
    /// Bytes of its TOAST table.
    pub(crate) toast_bytes: Option<i64>,
    /// True where files could not be read and sizes are pages that the last vacuum counted; TOAST is not in them.
    pub(crate) size_is_estimate: bool,
    /// Bytes beyond what its rows (TOAST and indexes aside) would fill, estimated from statistics; null where that cannot be estimated, as of
    /// relations below 128 pages or with columns whose statistics may not be seen. The set `bloat` has the formula.
    pub(crate) bloat_bytes: Option<i64>,
    /// That as a share of its pages, 0 to 1.
    pub(crate) bloat_ratio: Option<f64>,
    /// Bytes that it grew: over the range, or over the day before its end where the range is shorter.
    pub(crate) growth_bytes: Option<i64>,
    /// From how many milliseconds that is known.
    pub(crate) growth_ms: Option<f64>,
    /// The same per day; null where it is known of less than a day.
    pub(crate) growth_bytes_per_day: Option<f64>,
    /// Sequential scans.
    pub(crate) seq_scans_per_s: Option<f64>,
    /// Rows read by them.
    pub(crate) seq_rows_per_s: Option<f64>,
    /// Scans of its indexes; null without any.
    pub(crate) idx_scans_per_s: Option<f64>,
    /// Rows fetched by them.
    pub(crate) idx_rows_per_s: Option<f64>,
    /// Rows inserted.
    pub(crate) inserts_per_s: Option<f64>,
    /// Rows updated.
    pub(crate) updates_per_s: Option<f64>,
    /// Rows deleted.
    pub(crate) deletes_per_s: Option<f64>,
    /// Share of updates that touched no index (heap-only tuples); null without updates.
    pub(crate) hot_ratio: Option<f64>,
    /// Blocks found in shared buffers, indexes and TOAST included.
    pub(crate) blks_hit: Option<f64>,
    /// Blocks read into shared buffers.
    pub(crate) blks_read: Option<f64>,
    /// Live rows, estimated.
    pub(crate) live_rows: Option<i64>,
    /// Dead rows, estimated.
    pub(crate) dead_rows: Option<i64>,
    /// Share of rows that are dead; null without rows.
    pub(crate) dead_ratio: Option<f64>,
    /// Rows changed since the last analyze, estimated.
    pub(crate) changed_rows: Option<i64>,
    /// When it was last vacuumed by hand; of partitions the latest.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_vacuum: Option<Timestamp>,
    /// When autovacuum last vacuumed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_autovacuum: Option<Timestamp>,
    /// When it was last analyzed by hand.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_analyze: Option<Timestamp>,
    /// When autovacuum last analyzed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_autoanalyze: Option<Timestamp>,
    /// Transactions since its oldest unfrozen row; of partitions the oldest.
    pub(crate) xid_age: Option<i64>,
    /// The same as a share of the 2³¹ after which nothing could be written.
    pub(crate) xid_age_ratio: Option<f64>,
    /// Multixacts since its oldest unfrozen one.
    pub(crate) mxid_age: Option<i64>,
    /// How near autovacuum is; of partitions the nearest.
    pub(crate) autovacuum: Option<Autovacuum>,
    /// When it was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) read_at: Option<Timestamp>,
}

/// How near autovacuum is to a table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Autovacuum {
    /// The share of the nearest threshold; above 1 a worker takes it when it comes round.
    pub(crate) share: f64,
    /// Which threshold that is.
    pub(crate) because: Because,
    /// Whether it is switched on; else it comes only for age.
    pub(crate) enabled: bool,
    /// Dead rows beyond which it comes.
    pub(crate) dead_threshold: f64,
    /// Inserted rows beyond which it comes; null before PostgreSQL 13 or where switched off.
    pub(crate) insert_threshold: Option<f64>,
    /// The age beyond which it comes in any case.
    pub(crate) freeze_max_age: f64,
}

impl From<Distance> for Autovacuum {
    fn from(distance: Distance) -> Self {
        let Distance { share, because, enabled, dead_threshold, insert_threshold, freeze_max_age } = distance;
        let because = match because {
            autovacuum::Because::DeadRows => Because::DeadRows,
            autovacuum::Because::Inserts => Because::Inserts,
            autovacuum::Because::XidAge => Because::XidAge,
            autovacuum::Because::MxidAge => Because::MxidAge,
        };
        Self { share, because, enabled, dead_threshold, insert_threshold, freeze_max_age }
    }
}

impl Autovacuum {
    /// What tables are ordered by: one that autovacuum does not come to is among the worst.
    pub(crate) fn urgency(&self) -> f64 {
        if self.enabled { self.share } else { f64::INFINITY }
    }
}

/// Why autovacuum will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Because {
    /// Rows that were updated or deleted.
    DeadRows,
    /// Rows that were inserted.
    Inserts,
    /// The age of its oldest transaction.
    XidAge,
    /// The age of its oldest multixact.
    MxidAge,
}
