//! From which tiers the figures of a range come.
//!
//! The coarsest tier answers whose buckets fit the step; what it has no whole bucket for, at the edges and where a
//! bucket is due to be made again, comes from finer ones, at last from the raw rows. So a sum is that of the raw rows,
//! to the last unit. Where retention has taken the finer ones, the range widens to the buckets that are left.

use std::collections::HashMap;

use jiff::Timestamp;
use store::tiers::{LONGEST_WHOLE_US, Part, REACH_US, Tier, Tiered};
use tokio_postgres::Error;

use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// Finest first, with the raw rows.
const LEVELS: [Option<Tier>; 4] = [None, Some(Tier::Minutes), Some(Tier::Hours), Some(Tier::Days)];

/// The parts of a range.
#[derive(Debug)]
pub(crate) struct Parts {
    tiered: Tiered,
    parts: Vec<Part>,
    /// The readings of long intervals that reach into parts of raw rows; none where these are drawn whole.
    long: Option<Vec<Timestamp>>,
}

/// What is due to be made again, from the beginning of its first bucket to the end of its last, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Due {
    tier: i16,
    start: i64,
    end: i64,
}

const DUE: &str = "select tier, first, last from metrics.due
    where instance_id = $1 and $2 = any(sets) and last > $3 and first <= $4::timestamptz + interval '1 day'";

const GONE: &str = "select table_name, until from metrics.absent where table_name = any($1)";

const LONG: &str = "select distinct time from metrics.readings
    where instance_id = $1 and set_name = $2 and interval_us > 300000000 and time > $3 and time <= $4
        and time - least(interval_us, $6::int8) * interval '1 microsecond' < $5
    order by time";

impl Parts {
    /// For sums over a whole range.
    pub(crate) async fn of(snapshot: &Snapshot, id: InstanceId, tiered: Tiered, range: Range) -> Result<Self, Error> {
        Self::fitting(snapshot, id, tiered, range, None).await
    }

    /// For each step of a grid: where it is finer than buckets, the rows as they were read.
    pub(crate) async fn on(
        snapshot: &Snapshot,
        id: InstanceId,
        tiered: Tiered,
        range: Range,
        grid: Grid,
    ) -> Result<Self, Error> {
        Self::fitting(snapshot, id, tiered, range, Some(grid)).await
    }

    async fn fitting(
        snapshot: &Snapshot,
        id: InstanceId,
        tiered: Tiered,
        asked: Range,
        grid: Option<Grid>,
    ) -> Result<Self, Error> {
        let step_us = grid.map(|grid| grid.step_ms * 1000);
        let gone = gone(snapshot, tiered.raw()).await?;
        let range = widened(asked, &gone);
        let rows = snapshot.query(DUE, &[&id, &tiered.set_name(), &range.start, &range.end]).await?;
        let due: Vec<Due> = rows
            .iter()
            .filter_map(|row| {
                let (tier, first, last): (i16, Timestamp, Timestamp) = (row.get(0), row.get(1), row.get(2));
                let width = Tier::ALL.iter().find(|one| one.number() == tier)?.width_us();
                Some(Due { tier, start: first.as_microsecond() - width, end: last.as_microsecond() })
            })
            .collect();
        let coarsest = (1..LEVELS.len()).rev().find(|level| fits(*level, step_us)).unwrap_or(0);
        let mut cover = Cover { due: &due, gone: &gone, parts: Vec::new() };
        cover.cover(coarsest, range.start.as_microsecond(), range.end.as_microsecond());
        let parts = cover.parts;
        let raw = || parts.iter().filter(|part| part.tier.is_none());
        let is_divided = grid.is_none_or(Grid::has_buckets);
        let mut long = is_divided.then(Vec::new);
        if let (Some(first), Some(last)) = (raw().map(|part| part.start).min(), raw().map(|part| part.end).max())
            && is_divided
            && tiered.is_divided()
        {
            let reach = jiff::SignedDuration::from_micros(REACH_US);
            let until = last.saturating_add(reach).unwrap_or(last);
            let rows = snapshot.query(LONG, &[&id, &tiered.set_name(), &first, &until, &last, &REACH_US]).await?;
            long = Some(rows.iter().map(|row| row.get(0)).collect());
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
    Ok(widened(asked, &gone(snapshot, set).await?))
}

/// Until when retention has taken each level of a table, in microseconds.
async fn gone(snapshot: &Snapshot, raw: &str) -> Result<Vec<i64>, Error> {
    let tables: Vec<String> = LEVELS.iter().map(|level| level.map_or(raw.to_owned(), |tier| tier.table(raw))).collect();
    let mut gone: HashMap<String, Timestamp> = HashMap::new();
    for row in snapshot.query(GONE, &[&tables]).await? {
        gone.insert(row.get(0), row.get(1));
    }
    Ok(tables.iter().map(|table| gone.get(table).map_or(i64::MIN, |until| until.as_microsecond())).collect())
}

/// Whether the buckets of a level make whole steps.
fn fits(level: usize, step_us: Option<i64>) -> bool {
    let width = LEVELS[level].map_or(LONGEST_WHOLE_US, Tier::width_us);
    step_us.is_none_or(|step_us| step_us % width == 0)
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
    due: &'a [Due],
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
        let (first, last) = ((start + width - 1).div_euclid(width) * width, end.div_euclid(width) * width);
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

    fn add(&mut self, tier: Option<Tier>, start: i64, end: i64) {
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
    const NEVER: [i64; 4] = [i64::MIN; 4];

    fn parts(coarsest: usize, start: i64, end: i64, due: &[Due], gone: &[i64]) -> Vec<(Option<Tier>, i64, i64)> {
        let mut cover = Cover { due, gone, parts: Vec::new() };
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
        let cell = [Due { tier: 1, start: HOUR + CELL, end: HOUR + 2 * CELL }];
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
        let hour = [Due { tier: 2, start: HOUR, end: 2 * HOUR }];
        assert_eq!(
            parts(2, 0, 3 * HOUR, &hour, &NEVER),
            [(hours, 0, HOUR), (cells, HOUR, 2 * HOUR), (hours, 2 * HOUR, 3 * HOUR)]
        );
        assert_eq!(parts(1, 0, 3 * HOUR, &hour, &NEVER), [(cells, 0, 3 * HOUR)], "the cells of it are made");
        let raw_gone = [DAY, i64::MIN, i64::MIN, i64::MIN];
        assert_eq!(parts(1, 0, HOUR, &cell, &raw_gone), [(cells, 0, HOUR)], "all that is known");
    }

    #[test]
    fn a_range_widens_to_the_buckets_that_are_left() {
        let range = |start: i64, end: i64| Range {
            start: Timestamp::from_microsecond(start).unwrap(),
            end: Timestamp::from_microsecond(end).unwrap(),
        };
        let asked = range(DAY + HOUR + 7, 3 * DAY + 7);
        assert_eq!(widened(asked, &NEVER), asked);
        assert_eq!(widened(asked, &[2 * DAY, i64::MIN, i64::MIN, i64::MIN]), range(DAY + HOUR, 3 * DAY + 7));
        assert_eq!(widened(asked, &[9 * DAY, 9 * DAY, 2 * DAY, i64::MIN]), range(DAY, 3 * DAY + HOUR));
        assert_eq!(widened(range(DAY, 2 * DAY), &[9 * DAY, 9 * DAY, i64::MIN, i64::MIN]), range(DAY, 2 * DAY));
    }
}
