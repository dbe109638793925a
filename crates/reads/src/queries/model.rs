//! What travels: rankings, one statement, its timeline.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::figures::Figures;
use crate::covered::Covered;
use crate::flags::FlaggedInterval;
use crate::gaps::Gap;
use crate::range::Grid;

/// What a ranking is to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RankingQuery {
    /// Work after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Work up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// Statements at most.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Statements to skip; they are then part of `others`.
    #[param(default = 0, minimum = 0)]
    pub(crate) offset: Option<usize>,
    /// The figure to order by: any figure of a statement, and `rows_per_call`.
    #[param(default = "total_exec_time_ms")]
    pub(crate) order: Option<String>,
    /// Largest or least first; what was not measured is last either way.
    #[param(inline)]
    pub(crate) direction: Option<Direction>,
    /// Of one database, by name or oid.
    pub(crate) database: Option<String>,
    /// Of one role, by name or oid.
    pub(crate) user: Option<String>,
    /// Sent by clients (true) or run inside functions (false).
    pub(crate) toplevel: Option<bool>,
    /// Whose text has this in it, whatever the case.
    pub(crate) search: Option<String>,
    /// Whether to give each statement its trend.
    #[param(default = true)]
    pub(crate) trend: Option<bool>,
    /// Whether to rank what monitoring itself runs; else it is only summed, in `monitoring`.
    #[param(default = true)]
    pub(crate) monitoring: Option<bool>,
}

/// Which end of an order comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// Largest first.
    #[default]
    Desc,
    /// Least first.
    Asc,
}

/// Which part of a statement's work is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StatementQuery {
    /// Work after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Work up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// The length of a step in seconds; else chosen, never shorter than the interval of readings.
    #[param(minimum = 1)]
    pub(crate) step: Option<i64>,
    /// Of one database, by name or oid.
    pub(crate) database: Option<String>,
    /// Of one role, by name or oid.
    pub(crate) user: Option<String>,
    /// Sent by clients (true) or run inside functions (false).
    pub(crate) toplevel: Option<bool>,
}

/// What is known of a statement's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TextState {
    /// It is there.
    Ok,
    /// It was evicted before it was read, or not read yet.
    NotCaptured,
    /// It may hold a password.
    Hidden,
    /// The collector's role may not read texts.
    NotReadable,
}

/// One statement of a ranking.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RankedStatement {
    /// The statement's hash, signed, as text: it can pass 2^53.
    pub(crate) queryid: String,
    /// Its normalised text.
    pub(crate) query: Option<String>,
    /// What is known of the text.
    pub(crate) query_state: TextState,
    /// The database; its oid where the name is not known.
    pub(crate) database: String,
    /// The role; its oid where the name is not known.
    pub(crate) user: String,
    /// Whether a client sent it; false inside a function.
    pub(crate) toplevel: bool,
    /// Whether all its work in the range is here; false where a part was counted in "others".
    pub(crate) complete: bool,
    /// What it did.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// Execution time per step in milliseconds; null is a step without a reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trend: Option<Vec<Option<f64>>>,
}

/// Statements that are only summed: what a ranking does not list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Others {
    /// How many statements; those that collectors only summed are counted by queryid.
    pub(crate) statements: usize,
    /// What they did.
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// What all statements did together, those that are not listed included; null where nothing was read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// How many statements, each per database, user and level, and those that collectors only summed, by queryid.
    pub(crate) statements: usize,
    /// Executions.
    pub(crate) calls: Option<i64>,
    /// Execution time in milliseconds of top-level statements, which hold that of nested ones: what shares are of.
    pub(crate) total_exec_time_ms: Option<f64>,
    /// Rows.
    pub(crate) rows: Option<i64>,
}

/// Why something was not measured.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Reason {
    /// `setting`, `version`, `privilege`, `role`, `extension`, `failed`, `disabled` or `not_enough_data`.
    pub(crate) code: String,
    /// The same as a sentence.
    pub(crate) message: String,
    /// The SQL that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

/// Reasons by figure.
pub(crate) type Unmeasured = BTreeMap<String, Reason>;

/// The statements of a range, the costliest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ranking {
    /// The statements.
    pub(crate) data: Vec<RankedStatement>,
    /// The steps of all trends.
    pub(crate) grid: Grid,
    /// How many milliseconds of each step were read; null where nothing was. Rates divide by this, not by the step.
    pub(crate) covered_ms: Vec<Option<f64>>,
    /// How many statements are listed.
    pub(crate) count: usize,
    /// How many match the filters and are ranked.
    pub(crate) total: usize,
    /// What is not listed; missing where everything is.
    pub(crate) others: Option<Others>,
    /// What monitoring itself runs, of that which matches; missing where there is nothing. Rows, `others` and, unless
    /// it is ranked among the rows, this are all that matches.
    pub(crate) monitoring: Option<Others>,
    /// All work in the range, filters aside.
    pub(crate) totals: Totals,
    /// What is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read: sums are of that time, and rates divide by it.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
    /// Figures that were not measured, and why.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// `pg_stat_statements.track` at the last reading.
    pub(crate) track: Option<String>,
    /// Whether shares can be told: not below 1.9 with `track = all`.
    pub(crate) shares_measurable: bool,
    /// When this was put together.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) generated_at: Timestamp,
}

/// One statement over a range.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statement {
    /// The statement's hash, signed, as text.
    pub(crate) queryid: String,
    /// Its normalised text.
    pub(crate) query: Option<String>,
    /// What is known of the text.
    pub(crate) query_state: TextState,
    /// The databases in which it ran.
    pub(crate) databases: Vec<String>,
    /// The roles that ran it.
    pub(crate) users: Vec<String>,
    /// What it did.
    pub(crate) figures: Figures,
    /// What it did in the equal period before; null where less than half of that was read.
    /// Its sums are of the time that was read of it: compare by `change`.
    pub(crate) previous: Option<Figures>,
    /// Why there is nothing to compare with: too little of that period was read.
    pub(crate) no_comparison: Option<String>,
    /// How much of that period was read.
    pub(crate) previous_covered: Option<Covered>,
    /// By figure, how many times as much as in the period before: of rates over the time that was read, and of means
    /// as they are. What was 0 before has none.
    pub(crate) change: BTreeMap<String, f64>,
    /// The same by database, role and level, the longest time first.
    pub(crate) split: Vec<RankedStatement>,
    /// What is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read: sums are of that time, and rates divide by it.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
    /// Figures that were not measured, and why.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
    /// Whether all its work in the range is here.
    pub(crate) complete: bool,
    /// Of the execution time of all top-level statements, 0 to 1.
    pub(crate) share_of_total: Option<f64>,
}

/// One statement's figures per step. Increments are spread over the steps that their interval covers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Timeline {
    /// The steps.
    pub(crate) grid: Grid,
    /// How many milliseconds of each step were read; null where nothing was. Rates divide by this, not by the step.
    pub(crate) covered_ms: Vec<Option<f64>>,
    /// By figure: the sum per step, null where nothing was read; `mean_exec_time_ms` is derived.
    #[schema(value_type = BTreeMap<String, Vec<Option<f64>>>)]
    pub(crate) series: BTreeMap<String, Vec<Option<f64>>>,
    /// What is known to be missing.
    pub(crate) flagged_intervals: Vec<FlaggedInterval>,
    /// How much of the range was read: sums are of that time, and rates divide by it.
    pub(crate) covered: Covered,
    /// Parts of the range in which nothing was read.
    pub(crate) gaps: Vec<Gap>,
    /// Figures that were not measured, and why.
    #[schema(value_type = BTreeMap<String, Reason>)]
    pub(crate) unmeasured: Unmeasured,
}
