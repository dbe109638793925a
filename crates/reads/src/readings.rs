//! Readings of a set: the one that tells of a moment, and how many fall into each step of a grid.
//!
//! What is counted at the moment of a reading is averaged over the readings of a step; a step without one is a gap.

use jiff::{SignedDuration, Timestamp};
use store::tiers::Tiered;
use tokio_postgres::Error;

use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// A reading tells of a moment up to so much later,
const TELLS_FOR: SignedDuration = SignedDuration::from_mins(15);
/// or up to so many intervals of its set, where they are longer.
const TELLS_INTERVALS: i32 = 3;
/// No reading is looked for further back than this.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(24);

/// The step of a grid that a moment belongs to: `$4` is where the steps begin, `$5` how long each is in
/// microseconds. Takes the moment's place in the statement for `{}`.
pub(crate) const STEP: &str = "(ceil((extract(epoch from {} - $4::timestamptz) * 1e6)::float8 / $5::float8) - 1)::int8";

/// [`STEP`] of a column.
pub(crate) fn step_of(column: &str) -> String {
    STEP.replace("{}", column)
}

/// With the median of the last five intervals: one after a pause is longer than what is configured, one after a restart
/// shorter.
const AT: &str = "select n.time, (
        select percentile_disc(0.5) within group (order by l.interval_us) from (
            select r.interval_us from metrics.readings r
            where r.instance_id = $1 and r.set_name = $2 and r.interval_us > 0 and r.time <= n.time and r.time > $4
            order by r.time desc limit 5) l)
    from (
        select r.time from metrics.readings r
        where r.instance_id = $1 and r.set_name = $2 and r.error is null and r.time <= $3 and r.time > $4
            and r.time >= metrics.cluster_since($1, $3)
            and r.time >= coalesce((select g.until from metrics.absent g where g.table_name = $2), '-infinity')
        order by r.time desc limit 1) n";

/// The newest reading of a set at or before a moment, if it still tells of it and its rows are kept.
pub(crate) async fn at(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    moment: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let oldest = moment.saturating_sub(LOOKED_BACK).unwrap_or(moment);
    let Some(row) = snapshot.query_opt(AT, &[&id, &set, &moment, &oldest]).await? else { return Ok(None) };
    let time: Timestamp = row.get(0);
    Ok(tells(time, row.get(1), moment).then_some(time))
}

/// Whether a reading of a set with this interval tells of a moment after it.
fn tells(time: Timestamp, interval_us: Option<i64>, moment: Timestamp) -> bool {
    let intervals = SignedDuration::from_micros(interval_us.unwrap_or(0)).saturating_mul(TELLS_INTERVALS);
    moment.duration_since(time) <= intervals.max(TELLS_FOR)
}

/// What the instance's clock showed at a reading: times that the instance tells are by that one, and only between
/// them and this is there an age. The reading's own time where the clock was not told.
pub(crate) async fn by_instance(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    time: Timestamp,
) -> Result<Timestamp, Error> {
    let row = snapshot.query_opt(OFFSET, &[&id, &set, &time]).await?;
    let offset_us = row.and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0);
    Ok(time.saturating_add(SignedDuration::from_micros(offset_us)).unwrap_or(time))
}

const OFFSET: &str = "select max(clock_offset_us) from metrics.readings
    where instance_id = $1 and set_name = $2 and time = $3";

const NEIGHBOURS: &str = "select (
        select max(b.time) from metrics.readings b
        where b.instance_id = $1 and b.set_name = $2 and b.error is null and b.time < $3), (
        select min(a.time) from metrics.readings a
        where a.instance_id = $1 and a.set_name = $2 and a.error is null and a.time > $3)";

/// The readings just before and just after a moment.
pub(crate) async fn neighbours(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    moment: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
    let row = snapshot.query_one(NEIGHBOURS, &[&id, &set, &moment]).await?;
    Ok((row.get(0), row.get(1)))
}

/// The readings of a set in a range, counted per step of a grid.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    grid: Grid,
    per_step: Vec<i64>,
    total: i64,
}

impl Counted {
    /// Counts them.
    pub(crate) async fn read(
        snapshot: &Snapshot,
        id: InstanceId,
        set: &str,
        range: Range,
        grid: Grid,
    ) -> Result<Self, Error> {
        let parts = Parts::on(snapshot, id, Tiered::readings(set), range, grid).await?;
        let sql = format!(
            "select {}, sum(r.readings)::int8 from ({}) r
             where r.instance_id = $1 and r.time > $2 and r.time <= $3 and r.readings > 0 group by 1",
            step_of("r.time"),
            parts.rows(&["readings"])
        );
        let step_us = grid.step_us();
        let rows = snapshot.query_once(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us]).await?;
        Ok(Self::of(grid, rows.iter().map(|row| (row.get(0), row.get(1)))))
    }

    /// From how many there are in each step.
    pub(crate) fn of(grid: Grid, steps: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut counted = Self { grid, per_step: vec![0; grid.empty().len()], total: 0 };
        for (step, readings) in steps {
            if let Some(place) = usize::try_from(step).ok().and_then(|step| counted.per_step.get_mut(step)) {
                *place = readings;
                counted.total += readings;
            }
        }
        counted
    }

    /// Means per step from the sums of the steps that have one: nothing was counted in the other readings.
    pub(crate) fn means(&self, sums: impl IntoIterator<Item = (i64, f64)>) -> Vec<Option<f64>> {
        let mut means = self.grid.empty();
        for (mean, readings) in means.iter_mut().zip(&self.per_step) {
            *mean = (*readings > 0).then_some(0.0);
        }
        for (step, sum) in sums {
            let Ok(step) = usize::try_from(step) else { continue };
            if let (Some(Some(mean)), Some(readings)) = (means.get_mut(step), self.per_step.get(step)) {
                *mean += sum / *readings as f64;
            }
        }
        means
    }

    /// Zero in each step with a reading.
    pub(crate) fn zeros(&self) -> Vec<Option<f64>> {
        self.means([])
    }

    /// The mean of all readings of the range, from their sum; `None` without a reading.
    pub(crate) fn mean(&self, sum: f64) -> Option<f64> {
        (self.total > 0).then(|| sum / self.total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_tells_for_a_quarter_of_an_hour_or_three_intervals() {
        let tells =
            |interval_us, second| tells(Timestamp::UNIX_EPOCH, interval_us, Timestamp::from_second(second).unwrap());
        assert!(tells(None, 900) && !tells(None, 901));
        assert!(tells(Some(10_000_000), 900) && !tells(Some(10_000_000), 901));
        assert!(tells(Some(600_000_000), 1800) && !tells(Some(600_000_000), 1801));
        assert!(tells(Some(i64::MAX), 1_000_000));
    }

    #[test]
    fn a_step_is_the_mean_of_its_readings_and_a_gap_without_one() {
        let range = Range { start: Timestamp::UNIX_EPOCH, end: Timestamp::from_second(40).unwrap() };
        let grid = Grid::asked(range, 10).unwrap();
        let counted = Counted { grid, per_step: vec![2, 0, 1, 1], total: 4 };
        assert_eq!(counted.means([(0, 3.0), (2, 5.0), (9, 1.0), (-1, 1.0)]), [Some(1.5), None, Some(5.0), Some(0.0)]);
        assert_eq!(counted.zeros(), [Some(0.0), None, Some(0.0), Some(0.0)]);
        assert_eq!(counted.mean(8.0), Some(2.0));
        assert_eq!(Counted { total: 0, ..counted }.mean(0.0), None);
    }
}
