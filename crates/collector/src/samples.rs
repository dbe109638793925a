//! Samples of what sessions do: when each is to be taken, and what they add up to. Pure.
//!
//! Time is cut into slots of one sample each, and each sample is taken at a random moment of its slot: what happens once a
//! second is then met as often as it lasts, whatever the beat of either. A slot that ends without a sample is missed.
//! Samples and slots are counted in units of the set's own period: one of a slot that is four times as long, because the
//! budget wants it so, stands for four. So a range in which slots were longer for a while has its true mean.

use std::collections::HashMap;
use std::time::Duration;

use catalog::{Kind, Set};
use tokio::time::Instant;
use wire::{Frame, FrameColumn, Values};

use crate::baseline::{Key, key_of};
use crate::limits;

/// The most groups that are kept between two readings; past it the limit of the set is applied at once.
pub const GROUPS_MOST: usize = 10_000;

/// The slots that samples are taken in.
#[derive(Debug)]
pub struct Slots {
    began: Instant,
    period: Duration,
    /// How many times longer than its period a slot is.
    factor: u32,
    /// The slot that has no sample yet.
    slot: u64,
    /// Where in it the sample is to be taken, from 0 to 1.
    place: f64,
}

impl Slots {
    /// Slots that begin now, `factor` periods each.
    #[must_use]
    pub fn new(period: Duration, factor: u32, now: Instant, place: f64) -> Self {
        Self { began: now, period, factor: factor.max(1), slot: 0, place }
    }

    /// How many times longer than its period a slot is, which is what one sample counts.
    #[must_use]
    pub const fn factor(&self) -> u32 {
        self.factor
    }

    /// When the next sample is to be taken.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.began + self.length().mul_f64(self.slot as f64 + self.place)
    }

    /// Whether the current slot has no sample yet.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.slot <= self.at(now)
    }

    /// What ended without a sample, in periods; it is said once.
    pub fn missed(&mut self, now: Instant) -> u64 {
        let current = self.at(now);
        let missed = current.saturating_sub(self.slot);
        self.slot = self.slot.max(current);
        missed * u64::from(self.factor)
    }

    /// The sample of the current slot is asked for. `place` is where the next one is, from 0 to 1. Returns what ended
    /// without a sample, in periods.
    pub fn take(&mut self, now: Instant, place: f64) -> u64 {
        let missed = self.missed(now);
        self.slot += 1;
        self.place = place;
        missed
    }

    fn length(&self) -> Duration {
        self.period * self.factor
    }

    fn at(&self, now: Instant) -> u64 {
        let slots = now.duration_since(self.began).as_nanos() / self.length().as_nanos().max(1);
        u64::try_from(slots).unwrap_or(u64::MAX)
    }
}

/// What samples add up to since the last reading.
#[derive(Debug, Default)]
pub struct Tally {
    /// Samples that were taken, in periods.
    pub taken: u64,
    /// Samples that were not.
    pub missed: u64,
    /// How long those took.
    pub time: Duration,
    /// Why the last one that was missed was, where it is known.
    pub why: Option<String>,
    groups: Option<Frame>,
    index: HashMap<Key, usize>,
}

impl Tally {
    /// Whether nothing was taken and nothing missed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.taken == 0 && self.missed == 0
    }

    /// Adds the rows of a sample that counts for `factor`.
    pub fn add(&mut self, set: &Set, sample: &Frame, factor: u32, most: Option<usize>) {
        self.taken += u64::from(factor);
        self.merge(set, sample, factor.into());
        let is_full = self.groups.as_ref().is_some_and(|groups| groups.rows > GROUPS_MOST);
        if let Some(limit) = set.limit.as_ref().filter(|_| is_full) {
            let most = most.unwrap_or(GROUPS_MOST).min(GROUPS_MOST);
            let (kept, _) = limits::cut(set, limit, self.take_groups(set), most);
            // A sum of before and one of now are one.
            self.merge(set, &kept, 1);
        }
    }

    fn merge(&mut self, set: &Set, rows: &Frame, times: i64) {
        let groups = self.groups.get_or_insert_with(|| Frame::new(&set.definition));
        for row in 0..rows.rows {
            let place = *self.index.entry(key_of(&set.definition, rows, row)).or_insert(groups.rows);
            let is_new = place == groups.rows;
            if is_new {
                groups.push_row(rows, row);
            }
            let columns = groups.columns.iter_mut().zip(&rows.columns);
            for (meta, (total, more)) in set.definition.columns.iter().zip(columns) {
                if let (Kind::Count, Some(total), Some(more)) = (meta.kind, total, more) {
                    let times = if is_new { times - 1 } else { times };
                    grow(total, place, more.int(row).unwrap_or(0).saturating_mul(times));
                }
            }
        }
    }

    /// What was added up.
    pub fn take_groups(&mut self, set: &Set) -> Frame {
        self.index.clear();
        self.groups.take().unwrap_or_else(|| Frame::new(&set.definition))
    }

    /// What was taken tells of something else than what is read now.
    pub fn discard(&mut self) {
        *self = Self { missed: self.missed + self.taken, time: self.time, ..Self::default() };
    }
}

fn grow(column: &mut FrameColumn, row: usize, more: i64) {
    if let Values::Int(values) = &mut column.values
        && let Some(value) = values.get_mut(row)
    {
        *value = value.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_slot_has_one_sample_or_is_missed() {
        let began = Instant::now();
        let mut slots = Slots::new(SECOND, 1, began, 0.5);
        assert_eq!(slots.next(), began + SECOND / 2);
        assert_eq!(slots.take(began + SECOND / 2, 0.25), 0);
        assert_eq!(slots.next(), began + SECOND.mul_f64(1.25));
        // Later than it was to be, and still in its second.
        assert_eq!(slots.take(began + SECOND.mul_f64(1.9), 0.5), 0);
        // Two seconds went by.
        assert_eq!(slots.take(began + SECOND.mul_f64(4.1), 0.5), 2);
        assert_eq!(slots.missed(began + SECOND.mul_f64(4.9)), 0);
        assert_eq!((slots.missed(began + SECOND * 7), slots.missed(began + SECOND * 7)), (2, 0), "said once");
        let mut longer = Slots::new(SECOND, 4, began, 0.5);
        assert_eq!((longer.next(), longer.missed(began + SECOND * 9)), (began + SECOND * 2, 8));
    }

    proptest! {
        /// Whoever asks for samples only where the slot is open takes and misses as many periods as went by, and at most the
        /// slot's own beyond.
        #[test]
        fn no_more_is_counted_than_time_went_by(
            factor in 1_u32..20,
            steps in prop::collection::vec((1_u64..40_000, any::<bool>()), 1..60),
        ) {
            let began = Instant::now();
            let mut slots = Slots::new(SECOND, factor, began, 0.5);
            let (mut now, mut counted) = (began, 0);
            for (step, is_asked) in steps {
                now += Duration::from_millis(step);
                counted += slots.missed(now);
                if is_asked && slots.is_open(now) {
                    counted += slots.take(now, 0.5) + u64::from(factor);
                }
                let passed = now.duration_since(began).as_secs();
                prop_assert!(counted <= passed + u64::from(factor), "{counted} in {passed} s");
                prop_assert!(counted + u64::from(factor) > passed, "{counted} in {passed} s");
            }
        }
    }

    fn sample(set: &Set, rows: &[(i64, &str, i64)]) -> Frame {
        let mut frame = Frame::new(&set.definition);
        for (datid, event, samples) in rows {
            for (meta, column) in set.definition.columns.iter().zip(&mut frame.columns) {
                let column = column.as_mut().unwrap();
                match meta.name.as_str() {
                    "datid" => column.push_int(*datid),
                    "samples" => column.push_int(*samples),
                    "userid" | "queryid" => column.push_int(7),
                    "wait_event" => column.push_text(event),
                    _ => column.push_text("active"),
                }
            }
            frame.rows += 1;
        }
        frame
    }

    fn sums(set: &Set, frame: &Frame) -> Vec<(i64, String, i64)> {
        let column = |name: &str| frame.column(set.definition.column(name).unwrap().0).unwrap();
        let row = |row| {
            let event = column("wait_event").text(row).unwrap().to_owned();
            (column("datid").int(row).unwrap(), event, column("samples").int(row).unwrap())
        };
        (0..frame.rows).map(row).collect()
    }

    #[test]
    fn samples_add_up_by_their_groups() {
        let catalog = Catalog::embedded().unwrap();
        let set = catalog.get("session_samples").unwrap();
        let mut tally = Tally::default();
        tally.add(set, &sample(set, &[(1, "a", 2), (1, "b", 1)]), 1, None);
        tally.add(set, &sample(set, &[]), 1, None);
        tally.add(set, &sample(set, &[(1, "a", 1), (2, "a", 1)]), 4, None);
        assert_eq!((tally.taken, tally.missed), (6, 0));
        let expected = [(1, "a".to_owned(), 6), (1, "b".to_owned(), 1), (2, "a".to_owned(), 4)];
        assert_eq!(sums(set, &tally.take_groups(set)), expected);
        assert_eq!(tally.take_groups(set).rows, 0, "told once");
        tally.discard();
        assert_eq!((tally.taken, tally.missed), (0, 6));
    }

    #[test]
    fn groups_are_bounded_and_their_sum_is_kept() {
        let catalog = Catalog::embedded().unwrap();
        let set = catalog.get("session_samples").unwrap();
        let mut tally = Tally::default();
        let events: Vec<String> = (0..GROUPS_MOST).map(|nth| nth.to_string()).collect();
        for datid in 1..4 {
            let rows: Vec<_> = events.iter().map(|event| (datid, event.as_str(), 1)).collect();
            tally.add(set, &sample(set, &rows), 1, Some(10));
        }
        let groups = tally.take_groups(set);
        assert!(groups.rows <= GROUPS_MOST);
        let total: i64 = sums(set, &groups).iter().map(|(.., samples)| samples).sum();
        assert_eq!(total, 3 * i64::try_from(GROUPS_MOST).unwrap());
    }

    proptest! {
        /// Whenever samples are asked for, taken and missed ones are as many as slots ended, but for the current one.
        #[test]
        fn every_slot_counts_once(steps in prop::collection::vec((0_u64..5000, any::<bool>()), 1..60), factor in 1_u32..5) {
            let began = Instant::now();
            let mut slots = Slots::new(SECOND, factor, began, 0.0);
            let (mut now, mut taken, mut missed) = (began, 0_u64, 0);
            for (ms, takes) in steps {
                now += Duration::from_millis(ms);
                if takes && now >= slots.next() {
                    missed += slots.take(now, 0.0);
                    taken += u64::from(factor);
                } else {
                    missed += slots.missed(now);
                }
            }
            let length = u64::from(factor);
            let ended = now.duration_since(began).as_secs() / length * length;
            prop_assert!((ended..=ended + length).contains(&(taken + missed)), "{taken} + {missed} of {ended}");
        }
    }
}
