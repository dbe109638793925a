//! What reading an instance takes, and which sets are read less often where that is more than its budget. Pure.
//!
//! The time of a set is the mean of its last readings, from sending the statement to its last row, less the shortest that
//! any statement took: that is the way there and back, which costs the instance nothing. A set that is read in each
//! database has a mean for each of them. Sets slow down in the turns that the catalogue declares: those of the first
//! turn up to [`MOST`] times, then those of the second, until the rest fits. What never yields may exceed the budget.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How much rarer than at its interval a set is read at most.
pub const MOST: u32 = 16;
/// The weight of a new reading in the mean, once there are as many as it takes for that.
const WEIGHT: f64 = 0.2;
/// Readings that all weigh the same: one that found cold caches says little.
const EVEN: u32 = 5;
/// The share of the budget that must do for sets to be read more often again, so that they do not go to and fro.
const HEADROOM: f64 = 0.8;

/// The share of the budget below which a set takes next to nothing.
const NOTHING: f64 = 0.01;

/// The part of one set.
#[derive(Debug)]
struct Part {
    /// Seconds between two readings.
    interval: f64,
    turn: Option<u8>,
    means: HashMap<Option<i64>, Mean>,
}

/// The mean time of the last readings, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    us: f64,
    readings: u32,
}

impl Mean {
    fn add(&mut self, us: f64) {
        self.readings = self.readings.saturating_add(1);
        let weight = if self.readings <= EVEN { 1.0 / f64::from(self.readings) } else { WEIGHT };
        self.us += (us - self.us) * weight;
    }
}

/// The budget of an instance and how it is used.
#[derive(Debug, Default)]
pub struct Budget {
    /// Microseconds of each second.
    most: Option<f64>,
    parts: BTreeMap<String, Part>,
    factors: BTreeMap<String, u32>,
    /// The shortest time of a statement: since the budget was last weighed, and in the time before.
    least: [Option<Duration>; 2],
}

impl Budget {
    /// A budget for sets, with their intervals in seconds and their turns.
    #[must_use]
    pub fn new(budget: config::Budget, sets: impl IntoIterator<Item = (String, u32, Option<u8>)>) -> Self {
        let part = |interval: u32, turn| Part { interval: f64::from(interval.max(1)), turn, means: HashMap::new() };
        Self {
            most: budget.0.map(f64::from),
            parts: sets.into_iter().map(|(set, interval, turn)| (set, part(interval, turn))).collect(),
            ..Self::default()
        }
    }

    /// Goes on from another budget of the same instance, with what it knows of the sets that are as they were.
    pub fn go_on(&mut self, before: Self, is_as_before: impl Fn(&str) -> bool) {
        let Self { parts, factors, least, .. } = before;
        for (set, before) in parts.into_iter().filter(|(set, _)| is_as_before(set)) {
            if let Some(part) = self.parts.get_mut(&set) {
                part.means = before.means;
            }
        }
        let yields = |set: &str| self.parts.get(set).is_some_and(|part| part.turn.is_some());
        self.factors = factors.into_iter().filter(|(set, _)| yields(set) && is_as_before(set)).collect();
        self.least = least;
    }

    /// What a reading of a set takes, if any was noted.
    #[must_use]
    pub fn mean(&self, set: &str) -> Option<Duration> {
        let means = &self.parts.get(set)?.means;
        let us = means.values().map(|mean| mean.us).reduce(f64::max)?;
        Some(Duration::from_secs_f64(us / 1e6))
    }

    /// A statement of a set took so long.
    pub fn note(&mut self, set: &str, datid: Option<i64>, took: Duration) {
        let least = self.least[0].map_or(took, |least| least.min(took));
        self.least[0] = Some(least);
        let there_and_back = self.least[1].map_or(least, |before| before.min(least));
        if let Some(part) = self.parts.get_mut(set) {
            let us = took.saturating_sub(there_and_back).as_secs_f64() * 1e6;
            part.means.entry(datid).or_default().add(us);
        }
    }

    /// Databases that are gone take nothing.
    pub fn retain_databases(&mut self, is_there: impl Fn(i64) -> bool) {
        for part in self.parts.values_mut() {
            part.means.retain(|datid, _| datid.is_none_or(&is_there));
        }
    }

    /// How many times rarer than at its interval a set is read.
    #[must_use]
    pub fn factor(&self, set: &str) -> u32 {
        self.factors.get(set).copied().unwrap_or(1)
    }

    /// The sets that are read less often than at their intervals.
    pub fn slowed(&self) -> impl Iterator<Item = (&str, u32)> {
        self.factors.iter().map(|(set, factor)| (set.as_str(), *factor))
    }

    /// A set was due, and there was nothing to ask for.
    pub fn spared(&mut self, set: &str) {
        if let Some(part) = self.parts.get_mut(set) {
            part.means.entry(None).or_default().add(0.0);
        }
    }

    /// What all sets take at their intervals, in microseconds of each second.
    #[must_use]
    pub fn takes(&self) -> f64 {
        self.parts.values().map(Part::takes).sum()
    }

    /// Weighs what was noted; whether sets are read more or less often from here on.
    pub fn weigh(&mut self) -> bool {
        self.least = [None, self.least[0].or(self.least[1])];
        let Some(most) = self.most else {
            return !std::mem::take(&mut self.factors).is_empty();
        };
        let turns: BTreeSet<u8> = self.parts.values().filter_map(|part| part.turn).collect();
        let mut rest = self.takes();
        let mut factors = BTreeMap::new();
        for turn in turns {
            // What takes next to nothing makes no room.
            let counts = |set: &str, part: &Part| {
                let share = if self.factor(set) > 1 { NOTHING / 2.0 } else { NOTHING };
                part.takes() >= most * share
            };
            let of_turn = || self.parts.iter().filter(|(set, part)| part.turn == Some(turn) && counts(set, part));
            let takes: f64 = of_turn().map(|(_, part)| part.takes()).sum();
            let before = of_turn().map(|(set, _)| self.factor(set)).max().unwrap_or(1);
            let steps = std::iter::successors(Some(1), |factor| Some(factor * 2)).take_while(|factor| *factor <= MOST);
            let fits = |factor: &u32| {
                let bound = if *factor < before { most * HEADROOM } else { most };
                rest - takes + takes / f64::from(*factor) <= bound
            };
            let factor = steps.into_iter().find(fits).unwrap_or(MOST);
            rest += takes / f64::from(factor) - takes;
            if factor > 1 {
                factors.extend(of_turn().map(|(set, _)| (set.clone(), factor)));
            }
        }
        let changed = factors != self.factors;
        self.factors = factors;
        changed
    }
}

impl Part {
    fn takes(&self) -> f64 {
        self.means.values().map(|mean| mean.us).sum::<f64>() / self.interval
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(most: u32, sets: &[(&str, u32, Option<u8>)]) -> Budget {
        let sets = sets.iter().map(|(set, interval, turn)| ((*set).to_owned(), *interval, *turn));
        let mut budget = Budget::new(config::Budget(Some(most)), sets);
        // The way there and back.
        budget.note("", None, Duration::ZERO);
        budget
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Weighs after a statement that took no time, as there are many.
    fn weigh(budget: &mut Budget) -> bool {
        budget.note("", None, Duration::ZERO);
        budget.weigh()
    }

    #[test]
    fn sets_slow_down_in_their_turns_and_come_back() {
        let sets = [("definitions", 10, Some(1)), ("sizes", 10, Some(2)), ("sessions", 10, None)];
        let mut budget = budget(5000, &sets);
        let factors = |budget: &Budget| sets.map(|(set, ..)| budget.factor(set));
        for (set, ..) in sets {
            budget.note(set, None, ms(10));
        }
        assert!(!weigh(&mut budget));
        assert_eq!(factors(&budget), [1, 1, 1], "3 ms of each second");
        // 11 ms, 1 ms and 1 ms of each second: a third of the first one's is too much, a fourth is not.
        for _ in 0..50 {
            budget.note("definitions", None, ms(110));
        }
        assert!(weigh(&mut budget));
        assert_eq!(factors(&budget), [4, 1, 1]);
        assert!(!weigh(&mut budget), "nothing changed");
        for _ in 0..50 {
            budget.note("sizes", None, ms(60));
        }
        weigh(&mut budget);
        assert_eq!(factors(&budget), [16, 2, 1], "the first turn as far as it goes, then the next");
        for _ in 0..50 {
            budget.note("sessions", None, ms(500));
        }
        weigh(&mut budget);
        assert_eq!(factors(&budget), [16, 16, 1], "what never yields is read all the same");
        for _ in 0..50 {
            for (set, ..) in sets {
                budget.note(set, None, ms(10));
            }
        }
        assert!(weigh(&mut budget));
        assert_eq!(factors(&budget), [1, 1, 1]);
    }

    #[test]
    fn what_just_fits_does_not_go_to_and_fro() {
        let mut budget = budget(1000, &[("a", 10, Some(1))]);
        for _ in 0..50 {
            budget.note("a", None, ms(11));
        }
        assert!(weigh(&mut budget) && budget.factor("a") == 2);
        for _ in 0..50 {
            budget.note("a", None, ms(9));
        }
        assert!(!weigh(&mut budget), "0.9 of the budget");
        for _ in 0..50 {
            budget.note("a", None, ms(7));
        }
        assert!(weigh(&mut budget) && budget.factor("a") == 1);
    }

    #[test]
    fn a_long_way_costs_the_instance_nothing() {
        let mut budget = Budget::new(config::Budget(Some(5000)), [("a".to_owned(), 10, Some(1))]);
        for _ in 0..50 {
            budget.note("identity", None, ms(150));
            budget.note("a", None, ms(160));
            assert!(!budget.weigh());
        }
        assert!((budget.takes() - 1000.0).abs() < 1.0);
    }

    #[test]
    fn another_configuration_goes_on_from_what_is_known() {
        let sets = [("a", 10, Some(1)), ("b", 10, Some(1)), ("c", 10, Some(1))];
        let mut before = budget(1000, &sets);
        for (set, ..) in sets {
            before.note(set, None, ms(40));
        }
        assert!(weigh(&mut before) && before.factor("a") == 16);
        // One is another set by now, one is read more often by hand, one is as it was.
        let mut after = budget(1000, &[("a", 10, Some(1)), ("b", 10, None), ("c", 10, Some(1))]);
        after.go_on(before, |set| set != "c");
        assert_eq!(["a", "b", "c"].map(|set| after.factor(set)), [16, 1, 1]);
        assert_eq!(["a", "c"].map(|set| after.mean(set)), [Some(ms(40)), None]);
        assert!((after.takes() - 8000.0).abs() < 1.0);
        // Another budget is kept at once.
        let mut wider = budget(10_000, &sets);
        wider.go_on(after, |_| true);
        assert!(weigh(&mut wider) && wider.factor("a") == 1);
    }

    #[test]
    fn each_database_counts_until_it_is_gone() {
        let mut budget = budget(1000, &[("a", 60, Some(1))]);
        for datid in 0..100 {
            budget.note("a", Some(datid), ms(1));
        }
        assert!(weigh(&mut budget), "1.7 ms of each second");
        budget.retain_databases(|datid| datid < 20);
        assert!(weigh(&mut budget) && budget.factor("a") == 1);
    }

    proptest! {
        /// Whatever sets take: within the budget all are read at their intervals; a turn slows down only when those before
        /// it do all they can; past the budget everything that yields does what it can.
        #[test]
        fn turns_are_kept(took in prop::collection::vec((0_u64..2000, 1_u32..600, prop::option::of(1_u8..6)), 1..20)) {
            let sets = took.iter().enumerate().map(|(n, (_, interval, turn))| (n.to_string(), *interval, *turn));
            let mut budget = Budget::new(config::Budget(Some(5000)), sets);
            budget.note("", None, Duration::ZERO);
            for (n, (time, ..)) in took.iter().enumerate() {
                budget.note(&n.to_string(), None, ms(*time));
            }
            budget.weigh();
            let set = |n: usize| n.to_string();
            let all = budget.takes();
            let takes = |n: usize| budget.parts[&set(n)].takes();
            let slowed: f64 = (0..took.len()).map(|n| takes(n) / f64::from(budget.factor(&set(n)))).sum();
            for (n, (.., turn)) in took.iter().enumerate() {
                let factor = budget.factor(&set(n));
                prop_assert!(turn.is_some() || factor == 1);
                prop_assert!(all > 5000.0 || factor == 1);
                let earlier = took.iter().enumerate().filter(|(_, (.., other))| other.is_some() && *other < *turn);
                for (m, _) in earlier {
                    prop_assert!(factor == 1 || budget.factor(&set(m)) == MOST || takes(m) < 50.0);
                }
                prop_assert!(slowed <= 5000.0 + 1e-6 || turn.is_none() || factor == MOST || takes(n) < 50.0);
            }
        }
    }
}
