//! What was lost, by set and reason, and the parts of time that it concerns.

use std::collections::BTreeMap;

use prost::Message as _;
use wire::{Batch, Discarded, FlagReason, LostInterval};

use super::Record;
use crate::baseline::Place;

/// The most separate parts of time of one set and reason; beyond it neighbours become one.
const MAX_INTERVALS: usize = 64;
/// No batch unfolds to more.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// Rows and readings that were lost, and when they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    counts: BTreeMap<(String, String), (u64, u64)>,
    intervals: BTreeMap<(String, String, i32), Vec<(i64, i64)>>,
}

impl Lost {
    /// Counts rows of one reading.
    pub fn add(&mut self, set: &str, reason: &str, rows: u64) {
        self.count(set, reason, rows, 1);
    }

    fn count(&mut self, set: &str, reason: &str, rows: u64, readings: u64) {
        let count = self.counts.entry((set.to_owned(), reason.to_owned())).or_default();
        count.0 = count.0.saturating_add(rows);
        count.1 = count.1.saturating_add(readings);
    }

    /// Counts what a batch has, the losses that it was to tell of, and notes the time that it covers.
    pub fn add_record(&mut self, record: &Record, reason: &str) {
        self.add_wire(&record.discarded, &record.lost);
        for (set, rows) in &record.rows_by_set {
            self.add(set, reason, *rows);
        }
        let batch = wire::decompress(&record.batch, MAX_BATCH_BYTES).ok();
        let batch = batch.and_then(|bytes| Batch::decode(bytes.as_slice()).ok()).unwrap_or_default();
        for reading in batch.readings.iter().filter(|reading| reading.error.is_none()) {
            let Some(instance) = usize::try_from(reading.instance).ok().and_then(|at| batch.instances.get(at)) else {
                continue;
            };
            let end_us = reading.time_us;
            // What the reading itself knew to be missing is so still.
            let said = reading.flags.iter().map(|flag| flag.start_us).min();
            let start_us = match (reading.interval_us, said) {
                (Some(interval), _) => end_us.saturating_sub_unsigned(interval).min(said.unwrap_or(i64::MAX)),
                (None, Some(said)) => said.min(end_us),
                (None, None) => reading.started_us.min(end_us),
            };
            self.interval(&instance.name, &reading.set, reason, start_us, end_us);
        }
    }

    /// Counts a reading of a set, of which nobody knows how many rows it had.
    pub fn add_interval(&mut self, place: &Place, reason: &str, start_us: i64, end_us: i64) {
        self.count(&place.set, reason, 0, 1);
        self.interval(&place.instance, &place.set, reason, start_us, end_us);
    }

    /// Counts what a batch was to tell.
    pub fn add_wire(&mut self, discarded: &[Discarded], lost: &[LostInterval]) {
        for one in discarded {
            self.count(&one.set, &one.reason, one.rows, one.readings);
        }
        for one in lost {
            let key = (one.instance.clone(), one.set.clone(), one.reason);
            join(self.intervals.entry(key).or_default(), one.start_us, one.end_us);
        }
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.add_wire(&other.to_wire(), &other.intervals());
    }

    /// Whether nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.intervals.is_empty()
    }

    /// The counts as they stand in a batch.
    #[must_use]
    pub fn to_wire(&self) -> Vec<Discarded> {
        let counts = self.counts.iter();
        counts
            .map(|((set, reason), (rows, readings))| Discarded {
                set: set.clone(),
                reason: reason.clone(),
                rows: *rows,
                readings: *readings,
            })
            .collect()
    }

    /// The parts of time as they stand in a batch.
    #[must_use]
    pub fn intervals(&self) -> Vec<LostInterval> {
        let mut all = Vec::new();
        for ((instance, set, reason), parts) in &self.intervals {
            all.extend(parts.iter().map(|(start_us, end_us)| LostInterval {
                instance: instance.clone(),
                set: set.clone(),
                reason: *reason,
                start_us: *start_us,
                end_us: *end_us,
            }));
        }
        all
    }

    fn interval(&mut self, instance: &str, set: &str, reason: &str, start_us: i64, end_us: i64) {
        let key = (instance.to_owned(), set.to_owned(), FlagReason::of_word(reason) as i32);
        join(self.intervals.entry(key).or_default(), start_us, end_us);
    }
}

/// Adds a part of time, joined with those that it touches.
fn join(parts: &mut Vec<(i64, i64)>, mut start: i64, mut end: i64) {
    parts.retain(|part| {
        let touches = part.0 <= end && start <= part.1;
        if touches {
            (start, end) = (start.min(part.0), end.max(part.1));
        }
        !touches
    });
    parts.push((start, end));
    parts.sort_unstable();
    while parts.len() > MAX_INTERVALS {
        // The two that are nearest to each other.
        let gaps = parts.windows(2).map(|pair| pair[1].0 - pair[0].1).enumerate();
        let Some((at, _)) = gaps.min_by_key(|(_, gap)| *gap) else { return };
        parts[at].1 = parts[at + 1].1;
        parts.remove(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_part_and_there_are_never_too_many() {
        let mut parts = Vec::new();
        for (start, end) in [(10, 20), (30, 40), (20, 25), (38, 50)] {
            join(&mut parts, start, end);
        }
        assert_eq!(parts, [(10, 25), (30, 50)]);
        (0..1000).for_each(|n| join(&mut parts, 100 + 3 * n, 101 + 3 * n));
        assert_eq!((parts.len(), parts[0], parts[MAX_INTERVALS - 1].1), (MAX_INTERVALS, (10, 25), 3098));
    }
}
