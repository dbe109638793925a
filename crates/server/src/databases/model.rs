//! A database's figures over a time range.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::ApiError;
use crate::instances::model::{Grid, Unmeasured};

/// The range of an answer unless asked otherwise.
const RANGE: SignedDuration = SignedDuration::from_hours(1);

/// The most steps of a range, and how many there are about unless asked otherwise.
const STEPS_MOST: i64 = 1440;
const STEPS_USUAL: i64 = 60;

/// Steps are not shorter unless asked for: this is how often the figures are read.
const STEP_SECONDS_LEAST: i64 = 60;

/// Which time.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// What ended after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    pub start: Option<Timestamp>,
    /// What ended up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub end: Option<Timestamp>,
    /// Seconds of a step of the series; else about 60 steps.
    #[param(minimum = 1)]
    pub step: Option<i64>,
}

/// A range with its steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) grid: Grid,
}

impl Range {
    /// The moments and steps that are meant.
    pub(crate) fn steps(self, now: Timestamp) -> Result<Steps, ApiError> {
        let end = self.end.unwrap_or(now);
        let start = self.start.or_else(|| end.checked_sub(RANGE).ok()).unwrap_or(Timestamp::MIN);
        let range_us = end.as_microsecond().saturating_sub(start.as_microsecond());
        if range_us <= 0 {
            return Err(ApiError::invalid_field("start", "expected a moment before end"));
        }
        if start < Timestamp::UNIX_EPOCH {
            return Err(ApiError::invalid_field("start", "expected a moment since 1970"));
        }
        let minutes = divide_up(range_us, STEPS_USUAL * STEP_SECONDS_LEAST * 1_000_000).max(1);
        let seconds = self.step.unwrap_or_else(|| minutes.saturating_mul(STEP_SECONDS_LEAST));
        let step_us = seconds.saturating_mul(1_000_000);
        if step_us <= 0 || divide_up(range_us, step_us) > STEPS_MOST {
            let reason = format!("expected seconds that make at most {STEPS_MOST} steps");
            return Err(ApiError::invalid_field("step", reason));
        }
        let points = usize::try_from(divide_up(range_us, step_us)).unwrap_or(usize::MAX);
        Ok(Steps { start, end, grid: Grid { start, step_ms: step_us / 1000, points } })
    }
}

fn divide_up(dividend: i64, divisor: i64) -> i64 {
    dividend / divisor + i64::from(dividend % divisor > 0)
}

/// The databases of an instance over a time range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Databases {
    /// The steps of all series.
    pub grid: Grid,
    /// By name; the shared objects are the database 0.
    pub data: Vec<Database>,
    /// Why columns are null.
    pub unmeasured: Unmeasured,
    /// Parts of the range in which something is known to be missing.
    pub flagged_intervals: Vec<DatabaseFlag>,
}

/// What a database did: increments are sums over the range, null where not measured.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Database {
    /// Its oid; 0 stands for the shared objects.
    pub datid: i64,
    /// Its name; its oid where the name is not known.
    pub name: String,
    /// Connected backends at the newest reading; null when it was not in that reading.
    pub numbackends: Option<i32>,
    /// The counters of `pg_stat_database`; times in milliseconds, as `active_time_ms`.
    #[serde(flatten)]
    pub counters: BTreeMap<&'static str, Option<f64>>,
    /// Values on the grid; null is a step without a reading.
    pub series: DatabaseSeries,
}

/// Values on the grid; null is a step without a reading.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DatabaseSeries {
    /// Transactions per second.
    pub tps: Vec<Option<f64>>,
    /// Mean number of sessions that execute a statement.
    pub active: Vec<Option<f64>>,
}

/// A part of time in which something is known to be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatabaseFlag {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub start: Timestamp,
    /// To when.
    #[schema(value_type = String, format = DateTime)]
    pub end: Timestamp,
    /// The kind of reason.
    pub reason: String,
    /// The reason, as a sentence.
    pub message: &'static str,
    /// How many databases are concerned; absent where it is not known or all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_total: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_about_sixty_steps_unless_asked_otherwise() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let ask = |hours: i64, step| {
            let start = Some(now - SignedDuration::from_hours(hours));
            Range { start, end: None, step }.steps(now).map(|steps| (steps.grid.step_ms, steps.grid.points))
        };
        assert_eq!(ask(1, None), Ok((60_000, 60)));
        assert_eq!(ask(24, None), Ok((1_440_000, 60)));
        assert_eq!(ask(1, Some(7)), Ok((7_000, 515)));
        assert!(ask(24, Some(59)).is_err() && ask(1, Some(0)).is_err() && ask(0, None).is_err());
        let whole = Range { start: Some(Timestamp::UNIX_EPOCH), end: Some(Timestamp::MAX), step: Some(i64::MAX) };
        assert!(whole.steps(now).is_ok_and(|steps| steps.grid.points == 1));
        assert!(Range { start: Some(Timestamp::MIN), end: None, step: Some(i64::MAX) }.steps(now).is_err());
    }
}
