//! Ranges of time and the grids that series share.
//!
//! A range is start < time ≤ end. A row's time is the end of its interval; on a grid its increment is spread over
//! the steps that the interval covers, in proportion. A step that no interval covers is null, never interpolated.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::tiers::Tier;
use utoipa::ToSchema;

use crate::error::{Detail, ReadError};

/// The range that is meant where none is given.
const DEFAULT_RANGE: SignedDuration = SignedDuration::from_hours(1);
/// The longest range: the longest retention and some.
pub(crate) const MAX_RANGE: SignedDuration = SignedDuration::from_hours(24 * (store::retention::MOST_DAYS + 366));
/// The most steps of a grid.
pub(crate) const MAX_POINTS: i64 = 1440;
/// The steps that grids have, in seconds.
const STEPS: [i64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/// Those that are hours, days and weeks, or finer than half an hour.
const COARSE: [i64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 3600, 10_800, 86_400, WEEK];

/// The step of what would have too many of days.
const WEEK: i64 = 604_800;

/// A range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Rows after this moment.
    pub(crate) start: Timestamp,
    /// And up to this one.
    pub(crate) end: Timestamp,
}

impl Range {
    /// The range that was asked for: the last hour unless said otherwise.
    pub(crate) fn asked(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> Result<Self, ReadError> {
        let end = end.unwrap_or(now);
        let start = start.unwrap_or_else(|| end.saturating_sub(DEFAULT_RANGE).unwrap_or(end));
        if start >= end {
            return Err(ReadError::invalid(vec![Detail::new("start", "must be before end")]));
        }
        if start < Timestamp::UNIX_EPOCH {
            return Err(ReadError::invalid(vec![Detail::new("start", "must not be before 1970")]));
        }
        if end.duration_since(start) > MAX_RANGE {
            return Err(ReadError::invalid(vec![Detail::new("start", "a range is at most six years long")]));
        }
        Ok(Self { start, end })
    }

    /// The period of equal length before this one.
    pub(crate) fn before(self) -> Option<Self> {
        let start = self.start.checked_sub(self.end.duration_since(self.start)).ok()?;
        Some(Self { start, end: self.start })
    }

    fn micros(self) -> (i64, i64) {
        (self.start.as_microsecond(), self.end.as_microsecond())
    }
}

/// The steps that all series of an answer share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Grid {
    /// The beginning of the first step.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) start: Timestamp,
    /// The length of a step in milliseconds.
    pub(crate) step_ms: i64,
    /// How many steps.
    pub(crate) points: i64,
}

impl Grid {
    /// A grid over a range: of about `points` steps, each no shorter than `shortest` (the interval of readings).
    pub(crate) fn over(range: Range, points: i64, shortest: Option<SignedDuration>) -> Self {
        let (start, end) = range.micros();
        let wanted = wanted(range, points, shortest);
        let days = (end - start) / 86_400_000_000;
        let longest = if days < MAX_POINTS { 86_400 } else { WEEK };
        Self::of_step(range, STEPS.into_iter().find(|step| *step >= wanted).unwrap_or(longest))
    }

    /// A grid over a range with a step that was asked for, in seconds.
    pub(crate) fn asked(range: Range, step: i64) -> Result<Self, ReadError> {
        let (start, end) = range.micros();
        if step > MAX_RANGE.as_secs() {
            return Err(ReadError::invalid(vec![Detail::new("step", "must not be longer than six years")]));
        }
        if step < 1 || (end - start) / 1_000_000 / step >= MAX_POINTS {
            let reason = format!("must be at least 1 second and make at most {MAX_POINTS} steps of the range");
            return Err(ReadError::invalid(vec![Detail::new("step", reason)]));
        }
        Ok(Self::of_step(range, step))
    }

    /// Steps begin at multiples of their length, so that neighbouring ranges share them.
    fn of_step(range: Range, step: i64) -> Self {
        let (start, end) = range.micros();
        let step_us = step * 1_000_000;
        let first = start.div_euclid(step_us) * step_us;
        let last = (end - 1).div_euclid(step_us) * step_us;
        let points = ((last - first) / step_us + 1).clamp(1, MAX_POINTS + 1);
        Self { start: Timestamp::from_microsecond(first).unwrap_or(range.start), step_ms: step * 1000, points }
    }

    /// A grid of about `points` steps, of lengths that coarse buckets make.
    pub(crate) fn coarse(range: Range, points: i64, shortest: Option<SignedDuration>) -> Self {
        let wanted = wanted(range, points, shortest);
        Self::of_step(range, COARSE.into_iter().find(|step| *step >= wanted).unwrap_or(WEEK))
    }

    /// Whether its steps are made of buckets: then what ends in a step is of that step whole. What is read over longer
    /// intervals than a bucket comes in pieces of buckets.
    pub(crate) fn has_buckets(self) -> bool {
        (self.step_ms * 1000) % Tier::Minutes.width_us() == 0
    }

    /// The steps that an interval covers, each with its share of the interval. A moment without length belongs to
    /// the step that it ends.
    pub(crate) fn shares(self, end: Timestamp, interval_us: i64) -> impl Iterator<Item = (usize, f64)> {
        let (origin, step_us) = (self.start.as_microsecond(), self.step_ms * 1000);
        let interval_us = if self.has_buckets() { 1 } else { interval_us };
        let (end_us, length) = (end.as_microsecond() - origin, interval_us.max(1));
        let begin_us = end_us - length;
        let first = begin_us.div_euclid(step_us).max(0);
        let last = (end_us - 1).div_euclid(step_us).min(self.points - 1);
        (first..=last).filter_map(move |step| {
            let covered = end_us.min((step + 1) * step_us) - begin_us.max(step * step_us);
            let share = covered as f64 / length as f64;
            (covered > 0).then_some((usize::try_from(step).ok()?, share))
        })
    }

    /// The step that a moment ends in, counted from the first.
    pub(crate) fn step_of(self, moment: Timestamp) -> i64 {
        (moment.as_microsecond() - self.start.as_microsecond() - 1).div_euclid(self.step_ms * 1000)
    }

    /// The length of a step in microseconds, as statements take it.
    pub(crate) fn step_us(self) -> f64 {
        self.step_ms as f64 * 1000.0
    }

    /// A series without any value.
    pub(crate) fn empty(self) -> Vec<Option<f64>> {
        vec![None; usize::try_from(self.points).unwrap_or(0)]
    }
}

/// The length of one of about so many steps in seconds, and no shorter than the interval of readings.
fn wanted(range: Range, points: i64, shortest: Option<SignedDuration>) -> i64 {
    let (start, end) = range.micros();
    let seconds = (end - start).div_euclid(1_000_000).max(1);
    let wanted = (seconds / points.clamp(1, MAX_POINTS)).max(1);
    let shortest = shortest.map_or(1, |shortest| {
        i64::try_from(shortest.as_millis()).unwrap_or(i64::MAX).saturating_add(500).div_euclid(1000).max(1)
    });
    wanted.max(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_grid_covers_its_range_and_no_step_is_shorter_than_a_reading() {
        let range = Range { start: at(30), end: at(3630) };
        let grid = Grid::over(range, 60, Some(SignedDuration::from_secs(10)));
        assert_eq!((grid.start, grid.step_ms, grid.points), (at(0), 60_000, 61));
        let grid = Grid::over(range, 1440, Some(SignedDuration::from_secs(60)));
        assert_eq!(grid.step_ms, 60_000);
        assert!(Grid::asked(range, 0).is_err());
        assert!(Grid::asked(range, 2).is_err());
        assert!(Grid::asked(range, i64::MAX).is_err());
        assert_eq!(Grid::asked(range, MAX_RANGE.as_secs()).unwrap().points, 1);
        assert_eq!(Grid::asked(range, 3).unwrap().step_ms, 3000);
    }

    #[test]
    fn long_ranges_have_steps_of_days_and_weeks() {
        let steps = |days: i64| {
            let range = Range { start: at(0), end: at(days * 86_400) };
            [Grid::over(range, 240, None), Grid::coarse(range, 60, None)].map(|grid| (grid.step_ms / 1000, grid.points))
        };
        assert_eq!(steps(60), [(21_600, 240), (86_400, 60)]);
        assert_eq!(steps(364), [(86_400, 364), (604_800, 52)]);
        assert_eq!(steps(1827), [(604_800, 261), (604_800, 261)], "no more than may be");
    }

    #[test]
    fn an_interval_is_spread_over_the_steps_that_it_covers() {
        let grid = Grid::over(Range { start: at(0), end: at(600) }, 10, None);
        assert_eq!(grid.step_ms, 60_000);
        let shares: Vec<_> = grid.shares(at(150), 120_000_000).collect();
        assert_eq!(shares, [(0, 0.25), (1, 0.5), (2, 0.25)]);
        assert_eq!(grid.shares(at(60), 60_000_000).collect::<Vec<_>>(), [(0, 1.0)]);
        // What began before the grid counts only with the part that is on it.
        assert_eq!(grid.shares(at(30), 60_000_000).collect::<Vec<_>>(), [(0, 0.5)]);
        assert_eq!(grid.shares(at(660), 60_000_000).collect::<Vec<_>>(), []);
    }

    #[test]
    fn ranges_have_bounds() {
        assert!(Range::asked(Some(at(5)), Some(at(5)), at(9)).is_err());
        assert!(Range::asked(Some(at(0)), Some(at(400_000_000)), at(9)).is_err());
        assert!(Range::asked(Some(at(-1)), Some(at(5)), at(9)).is_err());
        assert!(Range::asked(Some(Timestamp::MIN), Some(at(5)), at(9)).is_err());
        let hour = Range::asked(None, None, at(7200)).unwrap();
        assert_eq!((hour.start, hour.end), (at(3600), at(7200)));
        assert_eq!(hour.before(), Some(Range { start: at(0), end: at(3600) }));
    }
}
