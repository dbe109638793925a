//! From which tiers the figures of a range come.
//!
//! The coarsest tier answers whose buckets fit the step; what it has no whole bucket for, at the edges and where a
//! bucket is due to be made again, comes from finer ones, at last from the raw rows. So a sum is that of the raw rows,
//! to the last unit. Where retention has taken the finer ones, the range widens to the buckets that are left.

pub(crate) mod standing;

use jiff::Timestamp;
use store::tiers::{LONGEST_WHOLE_US, Part, Tier, Tiered};
use tokio_postgres::Error;

use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use standing::Due;

/// Finest first, with the raw rows.
const LEVELS: [Option<Tier>; Tier::ALL.len() + 1] =
    [None, Some(Tier::Minutes), Some(Tier::Hours), Some(Tier::Days), Some(Tier::Weeks)];

/// The parts of a range.
#[derive(Debug)]
pub(crate) struct Parts {
    tiered: Tiered,
    parts: Vec<Part>,
    /// The readings of long intervals that reach into parts of raw rows; none where these are drawn whole.
    long: Option<Vec<Timestamp>>,
}

impl Parts {
    /// For sums over a whole range.
    pub(crate) async fn of(snapshot: &Snapshot, id: InstanceId, tiered: Tiered, range: Range) -> Result<Self, Error> {
        Self::up_to(snapshot, id, tiered, range, LEVELS.len() - 1, true).await
    }

    /// For what is looked at bucket by bucket, of days at most.
    pub(crate) async fn of_days(
        snapshot: &Snapshot,
        id: InstanceId,
        tiered: Tiered,
        range: Range,
    ) -> Result<Self, Error> {
        let days = LEVELS.iter().position(|level| *level == Some(Tier::Days)).unwrap_or_default();
        Self::up_to(snapshot, id, tiered, range, days, true).await
    }

    /// For each step of a grid: where it is finer than buckets, the rows as they were read.
    pub(crate) async fn on(
        snapshot: &Snapshot,
        id: InstanceId,
        tiered: Tiered,
        range: Range,
        grid: Grid,
    ) -> Result<Self, Error> {
        let coarsest = (1..LEVELS.len()).rev().find(|level| fits(*level, grid.step_ms * 1000)).unwrap_or(0);
        Self::up_to(snapshot, id, tiered, range, coarsest, grid.has_buckets()).await
    }

    /// From a level and those below it. Rows of long intervals are divided, or as they were read.
    async fn up_to(
        snapshot: &Snapshot,
        id: InstanceId,
        tiered: Tiered,
        asked: Range,
        coarsest: usize,
        is_divided: bool,
    ) -> Result<Self, Error> {
        let gone = gone(snapshot, tiered.raw(), tiered.set_name()).await?;
        let range = widened(asked, &gone);
        let due = standing::due(snapshot, id).await?;
        let due: Vec<&Due> = due.iter().filter(|due| due.sets.iter().any(|set| set == tiered.set_name())).collect();
        let mut cover = Cover { due: &due, gone: &gone, parts: Vec::new() };
        cover.cover(coarsest, range.start.as_microsecond(), range.end.as_microsecond());
        let parts = cover.parts;
        let raw = || parts.iter().filter(|part| part.tier.is_none());
        let mut long = is_divided.then(Vec::new);
        if let (Some(first), Some(last)) = (raw().map(|part| part.start).min(), raw().map(|part| part.end).max())
            && is_divided
            && tiered.is_divided()
        {
            long = standing::long(snapshot, id, first, last).await?.get(tiered.set_name()).cloned().or(long);
        }
        Ok(Self { tiered, parts, long })
    }

    /// Where the bucket begins that ends at a moment; a row that is none begins where it ends.
    pub(crate) fn bucket_start(&self, end: Timestamp) -> Timestamp {
        let part = self.parts.iter().find(|part| part.start < end && end <= part.end);
        let width_us = part.and_then(|part| part.tier).map_or(0, Tier::width_us);
        Timestamp::from_microsecond(end.as_microsecond() - width_us).unwrap_or(end)
    }

    /// The rows as one query that answers `instance_id`, `time` and these columns; `$1` is the instance.
    pub(crate) fn rows(&self, columns: &[&str]) -> String {
        self.only(columns, "")
    }

    /// Those of them that fulfil a further condition on the row `r`.
    pub(crate) fn only(&self, columns: &[&str], condition: &str) -> String {
        self.tiered.rows(&self.parts, self.long.as_deref(), columns, condition)
    }
}

/// The range that sums of a set are of: what was asked for, or the buckets around it that retention has left.
pub(crate) async fn summed(snapshot: &Snapshot, set: &str, asked: Range) -> Result<Range, Error> {
    Ok(widened(asked, &gone(snapshot, set, set).await?))
}

/// Whether a set was read in what a range is wider by. Where it never was, no finer figures are gone.
pub(crate) async fn has_readings_beside(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    asked: Range,
    summed: Range,
) -> Result<bool, Error> {
    const BESIDE: &str = "select exists (
            select from metrics.readings_1d r where r.instance_id = $1 and r.set_name = $2 and r.readings > 0
                and r.time > $3 and r.time - interval '1 day' < $4 and (r.time - interval '1 day' < $5 or r.time > $6))
        or exists (
            select from metrics.readings_1w r where r.instance_id = $1 and r.set_name = $2 and r.readings > 0
                and r.time > $3 and r.time - interval '7 days' < $4 and (r.time - interval '7 days' < $5 or r.time > $6))";
    let row = snapshot.query_one(BESIDE, &[&id, &set, &summed.start, &summed.end, &asked.start, &asked.end]).await?;
    Ok(row.get(0))
}

/// Until when retention has taken each level of a table, in microseconds. What tells of a set's readings is kept for
/// longer than its rows, and tells of them only where they are.
async fn gone(snapshot: &Snapshot, raw: &str, set: &str) -> Result<Vec<i64>, Error> {
    let gone = standing::gone(snapshot).await?;
    let of = |level: &Option<Tier>, table: &str| {
        let until = level.map_or_else(|| gone.get(table), |tier| gone.get(&tier.table(table)));
        until.map_or(i64::MIN, |until| until.as_microsecond())
    };
    Ok(LEVELS.iter().map(|level| of(level, raw).max(of(level, set))).collect())
}

/// Whether the buckets of a level make whole steps.
fn fits(level: usize, step_us: i64) -> bool {
    step_us % LEVELS[level].map_or(LONGEST_WHOLE_US, Tier::width_us) == 0
}

/// The range in whole buckets of what is left at its ends.
fn widened(asked: Range, gone: &[i64]) -> Range {
    let width = |moment: i64| {
        let level = (0..LEVELS.len()).find(|level| moment >= gone[*level]);
        level.and_then(|level| LEVELS[level]).map(Tier::width_us)
    };
    let (start, end) = (asked.start.as_microsecond(), asked.end.as_microsecond());
    let start = width(start).map_or(start, |width| start.div_euclid(width) * width);
    // What ends at a moment is in the bucket before it.
    let end = width(end - 1).map_or(end, |width| (end + width - 1).div_euclid(width) * width);
    Range {
        start: Timestamp::from_microsecond(start).unwrap_or(asked.start),
        end: Timestamp::from_microsecond(end).unwrap_or(asked.end),
    }
}

struct Cover<'a> {
    due: &'a [&'a Due],
    gone: &'a [i64],
    parts: Vec<Part>,
}

impl Cover<'_> {
    fn cover(&mut self, level: usize, start: i64, end: i64) {
        if start >= end {
            return;
        }
        let Some(tier) = LEVELS[level] else {
            self.add(None, start, end);
            return;
        };
        let width = tier.width_us();
        // What was gone in part when this tier came is in the finer one alone.
        let from = if self.gone[level] > self.gone[level - 1] { start.max(self.gone[level]) } else { start };
        let (first, last) = ((from + width - 1).div_euclid(width) * width, end.div_euclid(width) * width);
        if first >= last {
            self.cover(level - 1, start, end);
            return;
        }
        self.cover(level - 1, start, first);
        let mut reached = first;
        for (from, to) in self.not_made(tier, first, last) {
            self.add(Some(tier), reached, from);
            if from >= self.gone[level - 1] {
                self.cover(level - 1, from, to);
            } else {
                // What is finer is gone: the bucket is all that is known.
                self.add(Some(tier), from, to);
            }
            reached = to;
        }
        self.add(Some(tier), reached, last);
        self.cover(level - 1, last, end);
    }

    /// Where buckets of a tier are due between two of its borders, in order and apart from each other.
    fn not_made(&self, tier: Tier, first: i64, last: i64) -> Vec<(i64, i64)> {
        let width = tier.width_us();
        let mut spans: Vec<(i64, i64)> = self
            .due
            .iter()
            .filter(|due| due.tier <= tier.number() && due.start < last && due.end > first)
            .map(|due| {
                let from = due.start.div_euclid(width) * width;
                let to = (due.end + width - 1).div_euclid(width) * width;
                (from.max(first), to.min(last))
            })
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(before) if from <= before.1 => before.1 = before.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged
    }

    /// What ends at the moment until which rows are gone is there.
    fn add(&mut self, tier: Option<Tier>, start: i64, end: i64) {
        let level = LEVELS.iter().position(|level| *level == tier).unwrap_or_default();
        let start = start.max(self.gone[level].saturating_sub(1));
        if start >= end {
            return;
        }
        let (Ok(start), Ok(end)) = (Timestamp::from_microsecond(start), Timestamp::from_microsecond(end)) else {
            return;
        };
        match self.parts.last_mut() {
            Some(before) if before.tier == tier && before.end == start => before.end = end,
            _ => self.parts.push(Part { tier, start, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const CELL: i64 = 300_000_000;
    const DAY: i64 = 24 * HOUR;
    const NEVER: [i64; 5] = [i64::MIN; 5];

    fn due(tier: i16, start: i64, end: i64) -> Due {
        Due { tier, start, end, sets: Vec::new() }
    }

    fn parts(coarsest: usize, start: i64, end: i64, due: &[Due], gone: &[i64]) -> Vec<(Option<Tier>, i64, i64)> {
        let due: Vec<&Due> = due.iter().collect();
        let mut cover = Cover { due: &due, gone, parts: Vec::new() };
        cover.cover(coarsest, start, end);
        let micros = |part: &Part| (part.tier, part.start.as_microsecond(), part.end.as_microsecond());
        cover.parts.iter().map(micros).collect()
    }

    #[test]
    fn the_coarsest_tier_answers_and_finer_ones_complete_the_edges() {
        let (cells, hours, days) = (Some(Tier::Minutes), Some(Tier::Hours), Some(Tier::Days));
        assert_eq!(
            parts(3, DAY - HOUR - CELL - 7, 3 * DAY + 2 * HOUR + CELL + 5, &[], &NEVER),
            [
                (None, DAY - HOUR - CELL - 7, DAY - HOUR - CELL),
                (cells, DAY - HOUR - CELL, DAY - HOUR),
                (hours, DAY - HOUR, DAY),
                (days, DAY, 3 * DAY),
                (hours, 3 * DAY, 3 * DAY + 2 * HOUR),
                (cells, 3 * DAY + 2 * HOUR, 3 * DAY + 2 * HOUR + CELL),
                (None, 3 * DAY + 2 * HOUR + CELL, 3 * DAY + 2 * HOUR + CELL + 5),
            ]
        );
        assert_eq!(parts(1, 0, HOUR, &[], &NEVER), [(cells, 0, HOUR)]);
        assert_eq!(parts(0, 0, HOUR, &[], &NEVER), [(None, 0, HOUR)]);
        assert_eq!(parts(3, 5, CELL - 5, &[], &NEVER), [(None, 5, CELL - 5)]);
        assert_eq!(parts(3, 5, 5, &[], &NEVER), []);
    }

    #[test]
    fn what_is_due_is_read_from_what_it_is_made_from() {
        let (cells, hours) = (Some(Tier::Minutes), Some(Tier::Hours));
        let cell = [due(1, HOUR + CELL, HOUR + 2 * CELL)];
        assert_eq!(
            parts(2, 0, 3 * HOUR, &cell, &NEVER),
            [
                (hours, 0, HOUR),
                (cells, HOUR, HOUR + CELL),
                (None, HOUR + CELL, HOUR + 2 * CELL),
                (cells, HOUR + 2 * CELL, 2 * HOUR),
                (hours, 2 * HOUR, 3 * HOUR),
            ]
        );
        let hour = [due(2, HOUR, 2 * HOUR)];
        assert_eq!(
            parts(2, 0, 3 * HOUR, &hour, &NEVER),
            [(hours, 0, HOUR), (cells, HOUR, 2 * HOUR), (hours, 2 * HOUR, 3 * HOUR)]
        );
        assert_eq!(parts(1, 0, 3 * HOUR, &hour, &NEVER), [(cells, 0, 3 * HOUR)], "the cells of it are made");
        let raw_gone = [DAY, i64::MIN, i64::MIN, i64::MIN, i64::MIN];
        assert_eq!(parts(1, 0, HOUR, &cell, &raw_gone), [(cells, 0, HOUR)], "all that is known");
    }

    #[test]
    fn weeks_that_could_not_be_made_are_read_from_days() {
        let (days, weeks) = (Some(Tier::Days), Some(Tier::Weeks));
        assert_eq!(
            parts(4, DAY, 22 * DAY, &[], &NEVER),
            [(days, DAY, 7 * DAY), (weeks, 7 * DAY, 21 * DAY), (days, 21 * DAY, 22 * DAY)]
        );
        let days_gone = [9 * DAY, 9 * DAY, 9 * DAY, 2 * DAY, 7 * DAY];
        assert_eq!(parts(4, 0, 14 * DAY, &[], &days_gone), [(days, 2 * DAY - 1, 7 * DAY), (weeks, 7 * DAY, 14 * DAY)]);
        let all_gone = [14 * DAY, 14 * DAY, 14 * DAY, 14 * DAY, 7 * DAY];
        assert_eq!(parts(4, 0, 14 * DAY, &[], &all_gone), [(weeks, 7 * DAY - 1, 14 * DAY)]);
    }

    #[test]
    fn a_range_widens_to_the_buckets_that_are_left() {
        let range = |start: i64, end: i64| Range {
            start: Timestamp::from_microsecond(start).unwrap(),
            end: Timestamp::from_microsecond(end).unwrap(),
        };
        let asked = range(DAY + HOUR + 7, 3 * DAY + 7);
        assert_eq!(widened(asked, &NEVER), asked);
        assert_eq!(widened(asked, &[2 * DAY, i64::MIN, i64::MIN, i64::MIN, i64::MIN]), range(DAY + HOUR, 3 * DAY + 7));
        assert_eq!(widened(asked, &[9 * DAY, 9 * DAY, 2 * DAY, i64::MIN, i64::MIN]), range(DAY, 3 * DAY + HOUR));
        assert_eq!(
            widened(range(DAY, 2 * DAY), &[9 * DAY, 9 * DAY, i64::MIN, i64::MIN, i64::MIN]),
            range(DAY, 2 * DAY)
        );
    }
}
