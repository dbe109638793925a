//! The grid of tiers: how long a bucket is, where it ends, and how long it is kept.

use std::ops::RangeInclusive;

use crate::periods::Period;

/// Microseconds of a second.
const SECOND_US: i64 = 1_000_000;

/// Microseconds of a day.
const DAY_US: i64 = 86_400 * SECOND_US;

/// The longest interval of a row that belongs whole to the moment of its end. A longer one is divided over cells.
pub const LONGEST_WHOLE_US: i64 = 300 * SECOND_US;

/// The step of time, for statements.
pub(crate) const MICROSECOND: &str = "interval '1 microsecond'";

/// What buckets are counted from, for statements.
pub(crate) const EPOCH: &str = "timestamptz '1970-01-01 00:00:00+00'";

/// How far back a row is divided: what its interval has from longer ago is in the earliest of its cells.
pub const REACH_US: i64 = 7 * DAY_US;

/// How long after its end a bucket is made for the first time: the last rows of it are on their way.
pub const SETTLE_US: i64 = 30 * SECOND_US;

/// A resolution at which figures are kept. Its buckets end at multiples of its width since 1970, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Five minutes: the cells, from raw rows.
    Minutes,
    /// An hour, from cells.
    Hours,
    /// A day, from hours.
    Days,
    /// A week from Thursday to Thursday, as 1970 began with one, from days.
    Weeks,
}

impl Tier {
    /// All, finest first.
    pub const ALL: [Self; 4] = [Self::Minutes, Self::Hours, Self::Days, Self::Weeks];

    /// As in `metrics.due`.
    pub fn number(self) -> i16 {
        match self {
            Self::Minutes => 1,
            Self::Hours => 2,
            Self::Days => 3,
            Self::Weeks => 4,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.suffix().trim_start_matches('_')
    }

    /// What its tables are named after those of the raw rows.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Minutes => "_5m",
            Self::Hours => "_1h",
            Self::Days => "_1d",
            Self::Weeks => "_1w",
        }
    }

    /// The length of a bucket in microseconds.
    pub fn width_us(self) -> i64 {
        match self {
            Self::Minutes => LONGEST_WHOLE_US,
            Self::Hours => 3600 * SECOND_US,
            Self::Days => DAY_US,
            Self::Weeks => 7 * DAY_US,
        }
    }

    /// The length of a bucket, for statements. In seconds: PostgreSQL 14 takes no larger number of smaller units.
    pub(crate) fn interval(self) -> String {
        interval(self.width_us())
    }

    /// The tier that this one is made from; none where that is the raw rows.
    pub fn finer(self) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|tier| *tier < self)
    }

    /// The tier that is made from this one.
    pub fn coarser(self) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| *tier > self)
    }

    /// The table that this tier of a table is made from.
    pub(crate) fn below(self, raw: &str) -> String {
        self.finer().map_or_else(|| raw.to_owned(), |finer| finer.table(raw))
    }

    /// The name of this tier's table.
    pub fn table(self, raw: &str) -> String {
        format!("{raw}{}", self.suffix())
    }

    /// How its tables are partitioned.
    pub(crate) fn period(self) -> Period {
        match self {
            Self::Minutes => Period::Month,
            Self::Hours | Self::Days | Self::Weeks => Period::Year,
        }
    }

    /// Days for which buckets are kept: 90 days, two years, five years both of days and of weeks.
    pub fn keep_days(self) -> i64 {
        match self {
            Self::Minutes => 90,
            Self::Hours => 731,
            Self::Days | Self::Weeks => 1827,
        }
    }

    /// The end of the bucket that a moment falls into; all in microseconds since 1970.
    pub fn bucket_end(self, moment_us: i64) -> i64 {
        ceiling(moment_us, self.width_us())
    }

    /// Whether a row of this interval is divided; else it belongs whole to the moment of its end.
    pub fn is_divided(interval_us: Option<i64>) -> bool {
        interval_us.is_some_and(|interval_us| interval_us > LONGEST_WHOLE_US)
    }

    /// The ends of all buckets that a row of this time and interval falls into: first and last.
    pub fn buckets(self, time_us: i64, interval_us: Option<i64>) -> RangeInclusive<i64> {
        let last = self.bucket_end(time_us);
        let first = match interval_us {
            Some(interval_us) if Self::is_divided(Some(interval_us)) => {
                // What begins at the end of a bucket begins in the next one.
                let begin = time_us.saturating_sub(interval_us.min(REACH_US));
                self.bucket_end(begin.saturating_add(1))
            }
            _ => last,
        };
        first..=last
    }

    /// The end of the last bucket that may be made.
    pub(crate) fn closed(self, now_us: i64) -> i64 {
        (now_us - SETTLE_US).div_euclid(self.width_us()) * self.width_us()
    }

    /// Buckets that are made together end in the same stretch of time: where the one that holds this end stops.
    pub(crate) fn block(self, end_us: i64) -> RangeInclusive<i64> {
        let length = match self {
            Self::Minutes => Self::Hours.width_us(),
            Self::Hours => DAY_US,
            Self::Days => 30 * DAY_US,
            Self::Weeks => 91 * DAY_US,
        };
        let last = ceiling(end_us, length);
        last - length + self.width_us()..=last
    }
}

/// [`REACH_US`], for statements.
pub(crate) fn reach() -> String {
    interval(REACH_US)
}

/// The end of the cell that begins at a moment or holds it otherwise, for statements.
fn cell_after(moment: &str) -> String {
    let width = Tier::Minutes.interval();
    format!("date_bin({width}, {moment}, {EPOCH}) + {width}")
}

/// The end of the first cell that a row `r` of a long interval is divided over, for statements.
pub(crate) fn first_cell() -> String {
    cell_after(&format!("r.time - least(r.interval_us, {REACH_US}) * {MICROSECOND}"))
}

/// The end of the cell that holds the time of a row `r`, for statements.
pub(crate) fn last_cell() -> String {
    cell_after(&format!("r.time - {MICROSECOND}"))
}

fn interval(micros: i64) -> String {
    format!("interval '{} seconds'", micros / SECOND_US)
}

/// The least multiple that is not below a value.
fn ceiling(value: i64, multiple: i64) -> i64 {
    value.div_euclid(multiple) * multiple + if value.rem_euclid(multiple) > 0 { multiple } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_bucket_holds_its_end_and_not_its_start() {
        for (moment, end) in [(0, 0), (1, 5), (5, 5), (-5, -5), (-4, 0)] {
            assert_eq!(Tier::Minutes.bucket_end(moment * MINUTE), end * MINUTE, "{moment}");
        }
        assert_eq!(Tier::Minutes.bucket_end(5 * MINUTE + 1), 10 * MINUTE);
        assert_eq!(Tier::Hours.bucket_end(60 * MINUTE), 60 * MINUTE);
        assert_eq!(Tier::Days.bucket_end(1), DAY_US);
        assert_eq!(Tier::Weeks.bucket_end(DAY_US), 7 * DAY_US);
    }

    #[test]
    fn each_tier_is_made_from_whole_buckets_of_the_finer_one() {
        for tier in Tier::ALL {
            let finer = tier.finer();
            assert_eq!(finer.and_then(Tier::coarser), finer.map(|_| tier));
            assert_eq!(tier.width_us() % finer.map_or(LONGEST_WHOLE_US, Tier::width_us), 0, "{tier:?}");
            let block = tier.block(tier.width_us());
            assert_eq!((block.end() - block.start()) % tier.width_us(), 0, "{tier:?}");
        }
    }

    #[test]
    fn a_long_row_falls_into_every_cell_that_it_covers() {
        let cells = |time: i64, interval: Option<i64>| Tier::Minutes.buckets(time, interval);
        assert_eq!(cells(7 * MINUTE, None), 10 * MINUTE..=10 * MINUTE);
        assert_eq!(cells(7 * MINUTE, Some(5 * MINUTE)), 10 * MINUTE..=10 * MINUTE, "it covers two, and is short");
        assert_eq!(cells(7 * MINUTE, Some(5 * MINUTE + 1)), 5 * MINUTE..=10 * MINUTE);
        assert_eq!(
            cells(20 * MINUTE, Some(10 * MINUTE)),
            15 * MINUTE..=20 * MINUTE,
            "borders belong to what ends there"
        );
        assert_eq!(cells(20 * MINUTE, Some(i64::MAX)), 25 * MINUTE - REACH_US..=20 * MINUTE);
    }

    #[test]
    fn a_bucket_is_made_when_it_is_over() {
        assert_eq!(Tier::Minutes.closed(5 * MINUTE + SETTLE_US - 1), 0);
        assert_eq!(Tier::Minutes.closed(5 * MINUTE + SETTLE_US), 5 * MINUTE);
        assert_eq!(Tier::Minutes.block(5 * MINUTE), 5 * MINUTE..=60 * MINUTE);
        assert_eq!(Tier::Minutes.block(60 * MINUTE), 5 * MINUTE..=60 * MINUTE);
    }
}
