//! The figures of a statement: one row of the table below per counter.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use store::nearest;

/// How a counter of the store becomes a figure of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As it is.
    Count,
    /// Microseconds there, milliseconds here.
    Time,
}

/// One counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// Its name in the API.
    pub(crate) name: &'static str,
    /// Its column in the store.
    pub(crate) column: &'static str,
    /// How it is shown.
    pub(crate) shape: Shape,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $type:ident = $column:literal,)+) => {
        /// All counters, in the order of [`Sums`].
        pub(crate) const COUNTERS: &[Counter] =
            &[$(Counter { name: stringify!($name), column: $column, shape: <$type as Present>::SHAPE },)+];

        /// Sums of increments over a range. A figure that is missing was not measured; `unmeasured` says why.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
        pub(crate) struct Counted {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub(crate) $name: Option<$type>,)+
        }

        impl From<&Sums> for Counted {
            fn from(sums: &Sums) -> Self {
                let mut values = sums.values.iter();
                let mut next = || values.next().copied().flatten();
                Self { $($name: next().map(Present::present),)+ }
            }
        }
    };
}

/// A sum as the API shows it.
trait Present {
    const SHAPE: Shape;

    fn present(sum: f64) -> Self;
}

impl Present for i64 {
    const SHAPE: Shape = Shape::Count;

    fn present(sum: f64) -> Self {
        nearest(sum)
    }
}

impl Present for f64 {
    const SHAPE: Shape = Shape::Time;

    fn present(sum: f64) -> Self {
        sum / 1000.0
    }
}

counters! {
    /// Executions.
    calls: i64 = "calls",
    /// Time spent executing, in milliseconds.
    total_exec_time_ms: f64 = "total_exec_time",
    /// Rows returned or changed.
    rows: i64 = "rows",
    /// Shared blocks found in the cache.
    shared_blks_hit: i64 = "shared_blks_hit",
    /// Shared blocks read.
    shared_blks_read: i64 = "shared_blks_read",
    /// Shared blocks made dirty.
    shared_blks_dirtied: i64 = "shared_blks_dirtied",
    /// Shared blocks written.
    shared_blks_written: i64 = "shared_blks_written",
    /// Local blocks found in the cache.
    local_blks_hit: i64 = "local_blks_hit",
    /// Local blocks read.
    local_blks_read: i64 = "local_blks_read",
    /// Local blocks made dirty.
    local_blks_dirtied: i64 = "local_blks_dirtied",
    /// Local blocks written.
    local_blks_written: i64 = "local_blks_written",
    /// Temporary blocks read.
    temp_blks_read: i64 = "temp_blks_read",
    /// Temporary blocks written.
    temp_blks_written: i64 = "temp_blks_written",
    /// Time spent reading shared blocks, in milliseconds.
    blk_read_time_ms: f64 = "shared_blk_read_time",
    /// Time spent writing shared blocks, in milliseconds.
    blk_write_time_ms: f64 = "shared_blk_write_time",
    /// Time spent reading local blocks, in milliseconds.
    local_blk_read_time_ms: f64 = "local_blk_read_time",
    /// Time spent writing local blocks, in milliseconds.
    local_blk_write_time_ms: f64 = "local_blk_write_time",
    /// Time spent reading temporary blocks, in milliseconds.
    temp_blk_read_time_ms: f64 = "temp_blk_read_time",
    /// Time spent writing temporary blocks, in milliseconds.
    temp_blk_write_time_ms: f64 = "temp_blk_write_time",
    /// WAL records.
    wal_records: i64 = "wal_records",
    /// Full page images in WAL.
    wal_fpi: i64 = "wal_fpi",
    /// Bytes of WAL.
    wal_bytes: i64 = "wal_bytes",
    /// Times that WAL buffers were full.
    wal_buffers_full: i64 = "wal_buffers_full",
    /// Times planned.
    plans: i64 = "plans",
    /// Time spent planning, in milliseconds.
    total_plan_time_ms: f64 = "total_plan_time",
    /// Functions compiled by JIT.
    jit_functions: i64 = "jit_functions",
    /// Time spent generating JIT code, in milliseconds.
    jit_generation_time_ms: f64 = "jit_generation_time",
    /// Time spent inlining, in milliseconds.
    jit_inlining_time_ms: f64 = "jit_inlining_time",
    /// Time spent optimising, in milliseconds.
    jit_optimization_time_ms: f64 = "jit_optimization_time",
    /// Time spent emitting code, in milliseconds.
    jit_emission_time_ms: f64 = "jit_emission_time",
    /// Parallel workers planned.
    parallel_workers_to_launch: i64 = "parallel_workers_to_launch",
    /// Parallel workers launched.
    parallel_workers_launched: i64 = "parallel_workers_launched",
}

/// Sums of the counters, `None` where no row had a value; and what goes with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    values: Vec<Option<f64>>,
    /// Sum of squares of execution times, in ms².
    sumsq: Option<f64>,
    /// Least and largest execution time since the last reset, as reported in the range, in microseconds.
    extremes_us: (Option<i64>, Option<i64>),
    /// Since when the extremes count, in microseconds since 1970.
    since_us: Option<i64>,
}

impl Sums {
    /// The columns to select so that [`Sums::read`] finds them; `alias` is the table's. Whole numbers are summed as
    /// floating point, which is exact up to 2⁵³: sums of `bigint` are `numeric`, and take twice as long.
    pub(crate) fn select(alias: &str) -> String {
        let mut list: Vec<String> =
            COUNTERS.iter().map(|counter| format!("sum({alias}.{}::float8)", counter.column)).collect();
        list.push(format!("sum({alias}.exec_time_sumsq)"));
        list.push(format!("min({alias}.min_exec_time_min)"));
        list.push(format!("max({alias}.max_exec_time_max)"));
        list.push(format!(
            "(extract(epoch from min({alias}.minmax_stats_since_min)
                 filter (where isfinite({alias}.minmax_stats_since_min))) * 1000000)::int8"
        ));
        list.join(", ")
    }

    /// The columns that those are made from.
    pub(crate) fn columns() -> impl Iterator<Item = &'static str> {
        let others = ["exec_time_sumsq", "min_exec_time_min", "max_exec_time_max", "minmax_stats_since_min"];
        COUNTERS.iter().map(|counter| counter.column).chain(others)
    }

    /// Reads what [`Sums::select`] selected, from a column on.
    pub(crate) fn read(row: &Row, from: usize) -> Result<Self, tokio_postgres::Error> {
        let mut values = Vec::with_capacity(COUNTERS.len());
        for place in 0..COUNTERS.len() {
            values.push(row.try_get(from + place)?);
        }
        let behind = from + COUNTERS.len();
        Ok(Self {
            values,
            sumsq: row.try_get(behind)?,
            extremes_us: (row.try_get(behind + 1)?, row.try_get(behind + 2)?),
            since_us: row.try_get(behind + 3)?,
        })
    }

    /// Adds another sum.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.values.is_empty() {
            *self = other.clone();
            return;
        }
        let plus = |a: Option<f64>, b: Option<f64>| if a.is_none() { b } else { Some(a? + b.unwrap_or(0.0)) };
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            *mine = plus(*mine, *theirs);
        }
        self.sumsq = plus(self.sumsq, other.sumsq);
        let (least, largest) = (self.extremes_us.0, self.extremes_us.1);
        self.extremes_us.0 = [least, other.extremes_us.0].into_iter().flatten().min();
        self.extremes_us.1 = largest.max(other.extremes_us.1);
        self.since_us = [self.since_us, other.since_us].into_iter().flatten().min();
    }

    /// Of what did nothing while it was read: zero, but where that is not measured.
    pub(crate) fn idle(is_measured: impl Fn(&str) -> bool) -> Self {
        let values = COUNTERS.iter().map(|counter| is_measured(counter.name).then_some(0.0)).collect();
        Self { values, ..Self::default() }
    }

    /// Whether nothing was added up.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A counter's sum in the store's unit.
    pub(crate) fn of(&self, name: &str) -> Option<f64> {
        let place = COUNTERS.iter().position(|counter| counter.name == name)?;
        self.values.get(place).copied().flatten()
    }

    /// The sums in the order of [`COUNTERS`].
    pub(crate) fn values(&self) -> &[Option<f64>] {
        &self.values
    }
}

/// Takes the value to order by from figures, from their sums, and from the sums' place of the counter meant.
pub(crate) type OrderValue = fn(&Figures, &Sums, usize) -> Option<f64>;

/// What a statement did in the range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// Sums.
    #[serde(flatten)]
    pub(crate) counted: Counted,
    /// Milliseconds per execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mean_exec_time_ms: Option<f64>,
    /// Standard deviation of execution times in milliseconds, from the sum of squares:
    /// √(Σt² / calls − mean²); missing where rounding makes that negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stddev_exec_time_ms: Option<f64>,
    /// Least execution time since `since`, in milliseconds; not of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_exec_time_since_ms: Option<f64>,
    /// Largest execution time since `since`, in milliseconds; not of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_exec_time_since_ms: Option<f64>,
    /// Since when least and largest count; missing below pg_stat_statements 1.11: since the last reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Shared blocks found in the cache, of those asked for, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_hit_ratio: Option<f64>,
    /// Of the execution time of all statements that clients sent, 0 to 1; missing for nested statements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share_of_total: Option<f64>,
}

impl Figures {
    /// The figures of sums. `total_us` is the execution time of all top-level statements, where shares make sense.
    pub(crate) fn new(sums: &Sums, total_us: Option<f64>) -> Self {
        let (calls, time_us) = (sums.of("calls").filter(|calls| *calls > 0.0), sums.of("total_exec_time_ms"));
        let mean_ms = time_us.zip(calls).map(|(time_us, calls)| time_us / 1000.0 / calls);
        let variance = sums.sumsq.zip(calls).zip(mean_ms).map(|((sumsq, calls), mean)| sumsq / calls - mean * mean);
        let (hit, read) = (sums.of("shared_blks_hit"), sums.of("shared_blks_read"));
        let asked = hit.zip(read).map(|(hit, read)| hit + read).filter(|asked| *asked > 0.0);
        let ms = |us: i64| us as f64 / 1000.0;
        Self {
            counted: Counted::from(sums),
            mean_exec_time_ms: mean_ms,
            stddev_exec_time_ms: variance.filter(|variance| *variance >= 0.0).map(f64::sqrt),
            min_exec_time_since_ms: sums.extremes_us.0.map(ms),
            max_exec_time_since_ms: sums.extremes_us.1.map(ms),
            since: sums.since_us.and_then(|us| jiff::Timestamp::from_microsecond(us).ok()),
            cache_hit_ratio: hit.zip(asked).map(|(hit, asked)| hit / asked),
            share_of_total: time_us.zip(total_us.filter(|total| *total > 0.0)).map(|(time, total)| time / total),
        }
    }

    /// A figure by its name, as rankings are ordered by it; `None` where there is no such figure.
    pub(crate) fn order_value(name: &str) -> Option<OrderValue> {
        Some(match name {
            "mean_exec_time_ms" => |figures, _, _| figures.mean_exec_time_ms,
            "stddev_exec_time_ms" => |figures, _, _| figures.stddev_exec_time_ms,
            "min_exec_time_since_ms" => |figures, _, _| figures.min_exec_time_since_ms,
            "max_exec_time_since_ms" => |figures, _, _| figures.max_exec_time_since_ms,
            "cache_hit_ratio" => |figures, _, _| figures.cache_hit_ratio,
            "share_of_total" => |figures, _, _| figures.share_of_total,
            "rows_per_call" => |_, sums, _| Some(sums.of("rows")? / sums.of("calls").filter(|calls| *calls > 0.0)?),
            _ if COUNTERS.iter().any(|counter| counter.name == name) => {
                |_, sums, place| sums.values().get(place).copied().flatten()
            }
            _ => return None,
        })
    }

    /// The names that rankings can be ordered by.
    pub(crate) fn order_names() -> Vec<&'static str> {
        let derived = [
            "mean_exec_time_ms",
            "stddev_exec_time_ms",
            "min_exec_time_since_ms",
            "max_exec_time_since_ms",
            "cache_hit_ratio",
            "share_of_total",
            "rows_per_call",
        ];
        COUNTERS.iter().map(|counter| counter.name).chain(derived).collect()
    }
}
