//! When sets are due. Sets of one interval stay together, so that they share a cycle; late cycles
//! are skipped and counted, never made up for.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// How much of an interval the second reading may come early: instances that begin together are spread over all of it, so
/// that a hundred are not read at once, which would make each of their statements seem slow.
const SPREAD: f64 = 0.9;

/// The sets of one instance and when they are due.
#[derive(Debug)]
pub struct Schedule {
    lanes: Vec<Lane>,
    /// Sets that are due at once, whatever their lanes say.
    owed: BTreeSet<String>,
}

#[derive(Debug)]
struct Lane {
    interval: Duration,
    sets: Vec<String>,
    due: Instant,
    begun: bool,
    /// Cycles since it began, those that were skipped included.
    cycles: u64,
}

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The sets.
    pub sets: Vec<String>,
    /// Cycles that were skipped because the one before took too long, by set.
    pub late: Vec<(String, u32)>,
}

impl Schedule {
    /// A schedule for sets and their intervals in seconds. All are due at once.
    #[must_use]
    pub fn new(sets: Vec<(String, u32)>, now: Instant) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        for (set, seconds) in sets {
            let interval = Duration::from_secs(u64::from(seconds.max(1)));
            match lanes.iter_mut().find(|lane| lane.interval == interval) {
                Some(lane) => lane.sets.push(set),
                None => lanes.push(Lane { interval, sets: vec![set], due: now, begun: false, cycles: 0 }),
            }
        }
        Self { lanes, owed: BTreeSet::new() }
    }

    /// The same, going on from another one: sets that are as they were keep their times, all others are due at once.
    #[must_use]
    pub fn going_on(mut self, before: &Self, is_as_before: impl Fn(&str) -> bool) -> Self {
        for lane in &mut self.lanes {
            let Some(last) = before.lanes.iter().find(|last| last.interval == lane.interval && last.begun) else {
                continue;
            };
            (lane.due, lane.begun, lane.cycles) = (last.due, last.begun, last.cycles);
            let is_new = |set: &&String| before.owed.contains(*set) || !last.sets.contains(set) || !is_as_before(set);
            self.owed.extend(lane.sets.iter().filter(is_new).cloned());
        }
        self
    }

    /// Makes sets due at once.
    pub fn owe(&mut self, sets: impl IntoIterator<Item = String>) {
        self.owed.extend(sets);
    }

    /// When the next sets are due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().map(|lane| lane.due).min();
        if self.owed.is_empty() { lanes } else { lanes.map(|due| due.min(Instant::now())) }
    }

    /// Takes the sets that are due. `spread` is a number from 0 to 1, the instance's share of the spread. A set is read in
    /// every so many cycles only as `factor` says.
    pub fn take(&mut self, now: Instant, spread: f64, factor: impl Fn(&str) -> u32) -> Due {
        let mut due = Due { sets: std::mem::take(&mut self.owed).into_iter().collect(), late: Vec::new() };
        for lane in self.lanes.iter_mut().filter(|lane| lane.due <= now) {
            let behind = now.duration_since(lane.due).as_nanos() / lane.interval.as_nanos();
            let skipped = u32::try_from(behind).unwrap_or(u32::MAX);
            let before = lane.cycles;
            lane.cycles += u64::from(skipped) + 1;
            for set in &lane.sets {
                let every = u64::from(factor(set).max(1));
                // The first cycle has all; then that of each multiple.
                let turns = lane.cycles.saturating_sub(1) / every - before.saturating_sub(1) / every;
                if lane.begun && turns == 0 {
                    continue;
                }
                if !due.sets.contains(set) {
                    due.sets.push(set.clone());
                }
                if lane.begun && turns > 1 {
                    due.late.push((set.clone(), u32::try_from(turns - 1).unwrap_or(u32::MAX)));
                }
            }
            lane.due += lane.interval * skipped.saturating_add(1);
            if !lane.begun {
                lane.begun = true;
                lane.due -= lane.interval.mul_f64(SPREAD * spread.clamp(0.0, 1.0));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_one_interval_share_a_cycle_and_late_ones_are_skipped() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let sets = vec![("a".to_owned(), 10), ("b".to_owned(), 10), ("c".to_owned(), 60)];
        let mut schedule = Schedule::new(sets, start);
        assert_eq!(schedule.take(start, 0.0, |_| 1).sets, ["a", "b", "c"]);
        assert_eq!(schedule.next(), Some(start + second * 10));
        assert_eq!(schedule.take(start + second * 9, 0.0, |_| 1), Due::default());
        let due = schedule.take(start + second * 10, 0.0, |_| 1);
        assert_eq!((due.sets.len(), due.late), (2, vec![]));
        // 35 s in, the cycles of 20 s and 30 s are one, and one of them is late for each set.
        let due = schedule.take(start + second * 35, 0.0, |_| 1);
        assert_eq!((due.sets.len(), due.late), (2, vec![("a".to_owned(), 1), ("b".to_owned(), 1)]));
        assert_eq!(schedule.next(), Some(start + second * 40));
    }

    #[test]
    fn a_set_that_is_slowed_down_is_read_in_every_so_many_cycles() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut schedule = Schedule::new(vec![("a".to_owned(), 10), ("b".to_owned(), 10)], start);
        let slow = |set: &str| if set == "b" { 4 } else { 1 };
        let mut read = |at: u32, factor: &dyn Fn(&str) -> u32| schedule.take(start + second * at, 0.0, factor);
        assert_eq!(read(0, &slow).sets, ["a", "b"]);
        for at in [10, 20, 30] {
            assert_eq!(read(at, &slow).sets, ["a"]);
        }
        assert_eq!(read(40, &slow).sets, ["a", "b"]);
        // The cycle of 80 s is skipped; that of 90 s stands in for it, and none of the other set's is late.
        assert_eq!(read(70, &slow), Due { sets: vec!["a".to_owned()], late: vec![("a".to_owned(), 2)] });
        assert_eq!(
            read(95, &slow),
            Due { sets: vec!["a".to_owned(), "b".to_owned()], late: vec![("a".to_owned(), 1)] }
        );
        assert_eq!(read(100, &|_| 1).sets, ["a", "b"], "at its interval again");
    }

    #[test]
    fn another_configuration_keeps_the_times_of_what_is_as_it_was() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let sets = |sets: &[(&str, u32)]| sets.iter().map(|(set, every)| ((*set).to_owned(), *every)).collect();
        let mut first = Schedule::new(sets(&[("a", 60), ("b", 60), ("gone", 60), ("slower", 10)]), start);
        first.take(start, 0.0, |_| 1);
        let next = Schedule::new(sets(&[("a", 60), ("b", 60), ("new", 60), ("slower", 300)]), start + second * 20);
        let mut next = next.going_on(&first, |set| set != "b");
        let at = |schedule: &mut Schedule, at: u32| schedule.take(start + second * at, 0.0, |_| 1);
        assert_eq!(at(&mut next, 20).sets, ["b", "new", "slower"], "changed, new, of another interval");
        assert_eq!(at(&mut next, 59), Due::default());
        assert_eq!(at(&mut next, 60), Due { sets: ["a", "b", "new"].map(str::to_owned).to_vec(), late: vec![] });
        assert_eq!(at(&mut next, 320).sets.last().map(String::as_str), Some("slower"));
    }

    #[test]
    fn what_is_owed_is_due_at_once_and_once() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut schedule = Schedule::new(vec![("a".to_owned(), 10), ("b".to_owned(), 3600)], start);
        schedule.take(start, 0.0, |_| 1);
        schedule.owe(["b".to_owned(), "a".to_owned()]);
        assert!(schedule.next().is_some_and(|next| next <= Instant::now()));
        assert_eq!(schedule.take(start + second * 10, 0.0, |_| 1).sets, ["a", "b"]);
        assert_eq!(schedule.next(), Some(start + second * 20));
    }

    #[test]
    fn the_second_reading_comes_early_once_so_that_instances_are_spread() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut schedule = Schedule::new(vec![("a".to_owned(), 10)], start);
        schedule.take(start, 0.5, |_| 1);
        assert_eq!(schedule.next(), Some(start + second * 11 / 2));
        schedule.take(start + second * 11 / 2, 0.5, |_| 1);
        assert_eq!(schedule.next(), Some(start + second * 31 / 2));
    }
}
