//! The lengths of partitions of tiers: months and years, in UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// How long the partitions of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// A day in UTC.
    Day,
    /// A month of the calendar.
    Month,
    /// A year of the calendar.
    Year,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stretch {
    /// Its first moment.
    pub(crate) start: Timestamp,
    /// The first moment after it.
    pub(crate) end: Timestamp,
    /// What its partitions are named after the table.
    pub(crate) suffix: String,
}

impl Period {
    fn format(self) -> &'static str {
        match self {
            Self::Day => "%Y%m%d",
            Self::Month => "%Y%m",
            Self::Year => "%Y",
        }
    }

    fn stretch(self, date: Date) -> Option<Stretch> {
        let (first, length) = match self {
            Self::Day => (date, 1.day()),
            Self::Month => (date.first_of_month(), 1.month()),
            Self::Year => (date.first_of_year(), 1.year()),
        };
        let moment = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let suffix = first.strftime(self.format()).to_string();
        Some(Stretch { start: moment(first)?, end: moment(first.checked_add(length).ok()?)?, suffix })
    }

    /// Those that hold the moments from `first` to `last`.
    pub(crate) fn between(self, first: Timestamp, last: Timestamp) -> Vec<Stretch> {
        let mut all = Vec::new();
        let mut next = first;
        while next <= last {
            let Some(stretch) = self.stretch(next.to_zoned(TimeZone::UTC).date()) else { break };
            next = stretch.end;
            all.push(stretch);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_named_by_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let names = |period: Period, first: &str, last: &str| -> Vec<String> {
            period.between(at(first), at(last)).into_iter().map(|stretch| stretch.suffix).collect()
        };
        assert_eq!(
            names(Period::Month, "2025-12-31T23:59:59Z", "2026-02-01T00:00:00Z"),
            ["202512", "202601", "202602"]
        );
        assert_eq!(names(Period::Year, "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"), ["2026"]);
    }
}
