//! The one rule of every rate: what was counted, over the time in which it was counted; never over the time that was
//! asked for. A range that was read in part keeps its true rates, and says how much of it was read.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Error;
use utoipa::ToSchema;

use crate::parts::{self, Parts};
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::unread::Standing;
use judgement::span::{moment, spell, spell_ms};
use store::tiers::Tiered;

/// From this share of a range on nothing needs to be said.
const WHOLE: f64 = 0.9;
/// Below this share the figures say little of the range.
const ENOUGH: f64 = 0.01;
/// An earlier period is compared with from this share on.
const COMPARABLE: f64 = 0.5;

/// The time that readings cover in a range. Sums of the range are of that time, and rates divide by it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Covered {
    /// So many milliseconds.
    pub(crate) ms: f64,
    /// Of the range, 0 to 1.
    pub(crate) share: f64,
    /// What is to be said of it, where that is not nearly all.
    pub(crate) message: Option<String>,
    /// From when on sums are: the start of the range, or of the bucket around it where retention has left no finer one.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) start: Timestamp,
    /// Until when, alike.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) end: Timestamp,
}

/// Microseconds that the readings of a set cover of a range, by the database that it was read in; 0 stands for a set
/// that is not read in each.
pub(crate) async fn by_database(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    range: Range,
) -> Result<HashMap<i64, f64>, Error> {
    let parts = Parts::of(snapshot, id, Tiered::readings(set), range).await?;
    // A reading that came in several batches is one.
    let sql = format!(
        "select coalesce(o.datid, 0), sum(o.us)::float8 from (
             select r.datid, r.time, max(r.covered_us) as us from ({}) r group by r.datid, r.time) o
         where o.us > 0 group by o.datid",
        parts.rows(&["datid", "covered_us"])
    );
    let rows = snapshot.query_of(&sql, id).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

impl Covered {
    /// So many microseconds of a range.
    pub(crate) fn new(us: f64, range: Range) -> Self {
        let asked = range.end.duration_since(range.start);
        let share = (us / (asked.as_secs_f64() * 1e6)).clamp(0.0, 1.0);
        let ms = us / 1000.0;
        let of = || format!("{} of {} were read", spell_ms(ms), spell(asked));
        let message = if us <= 0.0 {
            Some("Not enough data: nothing was read twice in this range.".to_owned())
        } else if share < ENOUGH {
            Some(format!("Not enough data: only {}, less than 1 %. Rates are of that time only.", of()))
        } else if share < WHOLE {
            Some(format!("{} ({:.0} %). Rates are of that time.", of(), share * 100.0))
        } else {
            None
        };
        Self { ms, share, message, start: range.start, end: range.end }
    }

    /// What the readings of a set cover of a range.
    pub(crate) async fn read(snapshot: &Snapshot, id: InstanceId, set: &str, range: Range) -> Result<Self, Error> {
        let summed = parts::summed(snapshot, set, range).await?;
        Self::most(&by_database(snapshot, id, set, summed).await?, summed).asked_for(snapshot, id, set, range).await
    }

    /// Databases are read one after the other: the one that was read most counts.
    pub(crate) fn most(by_database: &HashMap<i64, f64>, range: Range) -> Self {
        Self::new(by_database.values().copied().fold(0.0, f64::max), range)
    }

    /// Says so where sums are of more than was asked for, and why there are none of a set that is not read.
    pub(crate) async fn asked_for(
        mut self,
        snapshot: &Snapshot,
        id: InstanceId,
        set: &str,
        asked: Range,
    ) -> Result<Self, Error> {
        if self.ms <= 0.0 {
            self.message = Standing::read(snapshot, id, set).await?.nothing().or(self.message);
            return Ok(self);
        }
        let summed = Range { start: self.start, end: self.end };
        let is_wider = summed != asked && parts::has_readings_beside(snapshot, id, set, asked, summed).await?;
        Ok(self.wider(is_wider))
    }

    fn wider(mut self, is_wider: bool) -> Self {
        if is_wider {
            let wider = format!(
                "Figures are from {} to {}: finer ones are not kept any more.",
                moment(self.start),
                moment(self.end)
            );
            self.message = Some(self.message.map_or(wider.clone(), |message| format!("{message} {wider}")));
        }
        self
    }

    /// Why nothing can be compared with this period, if so.
    pub(crate) fn no_comparison(&self, range: Range) -> Option<String> {
        if self.share >= COMPARABLE {
            return None;
        }
        let asked = spell(range.end.duration_since(range.start));
        if self.ms <= 0.0 {
            return Some(format!("No earlier data: nothing was read in the {asked} before."));
        }
        let read = spell_ms(self.ms);
        Some(format!("No earlier data: only {read} of the {asked} before were read, and half are needed to compare."))
    }

    /// A sum of that time as a rate per second.
    pub(crate) fn per_second(&self, sum: f64) -> Option<f64> {
        per_second(sum, self.ms * 1000.0)
    }
}

/// A sum as a rate per second over the microseconds in which it was counted.
pub(crate) fn per_second(sum: f64, covered_us: f64) -> Option<f64> {
    (covered_us > 0.0).then(|| sum * 1e6 / covered_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(seconds: i64) -> Range {
        Range { start: Timestamp::UNIX_EPOCH, end: Timestamp::from_second(seconds).unwrap() }
    }

    #[test]
    fn a_range_that_was_read_in_part_keeps_its_rate_and_says_so() {
        let minutes = Covered::new(180e6, range(3600));
        assert_eq!(minutes.per_second(28_620.0), Some(159.0));
        assert_eq!(minutes.message.as_deref(), Some("3 min of 1 h were read (5 %). Rates are of that time."));
        assert_eq!(Covered::new(3540e6, range(3600)).message, None);
        let month = Covered::new(180e6, range(2_592_000));
        let few = "Not enough data: only 3 min of 30 d were read, less than 1 %. Rates are of that time only.";
        assert_eq!((month.per_second(28_620.0), month.message.as_deref()), (Some(159.0), Some(few)));
        let none = Covered::new(0.0, range(60));
        assert_eq!((none.per_second(5.0), none.message.is_some()), (None, true));
        // An interval that began before the range is counted whole, and so is its work.
        assert!((Covered::new(7200e6, range(3600)).share - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_wider_than_was_asked_for_is_said() {
        let whole = Covered::new(3600e6, range(3600));
        assert_eq!(whole.clone().wider(false).message, None);
        let wider =
            "Figures are from 1970-01-01 00:00:00 UTC to 1970-01-01 01:00:00 UTC: finer ones are not kept any more.";
        assert_eq!(whole.wider(true).message.as_deref(), Some(wider));
    }

    #[test]
    fn half_of_an_earlier_period_is_needed_to_compare() {
        let said = |seconds: f64| Covered::new(seconds * 1e6, range(3600)).no_comparison(range(3600));
        assert_eq!(said(1800.0), None);
        assert_eq!(said(0.0).unwrap(), "No earlier data: nothing was read in the 1 h before.");
        let minute = "No earlier data: only 1 min of the 1 h before were read, and half are needed to compare.";
        assert_eq!(said(60.0).unwrap(), minute);
    }
}
