//! From a frame to a reading of the cycle: increments, limits, redaction, encoding; and what that needs to be
//! remembered of the reading before, of what was sent once, and of what failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, Scope, Set, SetKind};
use wire::{Frame, Reading, SetState, State, StateCode};

use super::complaints::{About, Complaints};
use super::{Baselines, Cycle, REPEAT_EVERY};
use crate::baseline::{Baseline, Incarnation, Place, ReadingTime};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::coverage::{self, Plan};
use crate::custom;
use crate::exposition::Latest;
use crate::increments::{self, Formed, Guard};
use crate::own::{IDENTITY, Own};
use crate::read::ReadError;
use crate::{limits, texts};

/// When a reading was taken, and how long that took.
#[derive(Clone, Copy)]
pub(super) struct Took<'a> {
    pub(super) at: &'a ReadingTime,
    pub(super) duration: Duration,
    pub(super) ended: Instant,
}

/// The time that a reading tells of.
#[derive(Clone, Copy)]
pub(super) enum Interval {
    /// That since the reading before.
    SincePrevious,
    /// So many microseconds, whatever lies between.
    Known(Option<u64>),
}

/// A frame that is to become a reading.
pub(super) struct Taken<'a> {
    pub(super) place: Place,
    pub(super) definition: &'a catalog::Definition,
    pub(super) frame: Frame,
    pub(super) guard: Option<Guard<'a>>,
    pub(super) took: Took<'a>,
    pub(super) interval: Interval,
    /// How it was read, where that was planned.
    pub(super) plan: Option<&'a Plan<'a>>,
}

/// What is remembered between the readings of an instance.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) instance: config::Instance,
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: Clock,
    /// What failed, by set, as it is said.
    pub(super) failures: BTreeMap<String, SetState>,
    /// What the statements take, and which sets are read less often for it.
    pub(super) budget: Budget,
    /// What is counted of the collector's own work.
    pub(super) own: Own,
    /// Where readings are shown from.
    pub(super) latest: Arc<Latest>,
    /// What is wrong, as far as the log was told.
    pub(super) complaints: Complaints,
    row_limits: HashMap<String, usize>,
    read_at: HashMap<Place, (i64, Instant)>,
    repeated: HashMap<Place, Instant>,
    /// Until when a set of the users' own is not read again.
    rests: HashMap<Place, Instant>,
}

impl Recorder {
    pub(super) fn new(
        instance: config::Instance,
        catalog: Arc<Catalog>,
        row_limit: impl Fn(&str) -> Option<u32>,
    ) -> Self {
        let limits = catalog.sets().filter_map(|set| set.limit.as_ref());
        let row_limits = limits.filter_map(|limit| Some((limit.setting.clone(), row_limit(&limit.setting)? as usize)));
        let row_limits = row_limits.collect();
        let mut this = Self {
            row_limits,
            budget: Budget::default(),
            own: Own::new(&catalog),
            latest: Arc::default(),
            instance,
            catalog,
            clock: Clock::here(),
            failures: BTreeMap::new(),
            complaints: Complaints::default(),
            read_at: HashMap::new(),
            repeated: HashMap::new(),
            rests: HashMap::new(),
        };
        this.budget = this.budget();
        this
    }

    /// Goes on from a recorder of the same instance.
    pub(super) fn go_on(&mut self, before: Self, is_as_before: impl Fn(&str) -> bool) {
        let Self { failures, complaints, budget, own, read_at, repeated, rests, .. } = before;
        self.complaints = complaints;
        self.budget.go_on(budget, &is_as_before);
        self.own.go_on(own);
        (self.read_at, self.repeated) = (read_at, repeated);
        self.rests = rests.into_iter().filter(|(place, _)| is_as_before(&place.set)).collect();
        self.failures = failures.into_iter().filter(|(set, _)| is_as_before(set)).collect();
    }

    fn budget(&self) -> Budget {
        let instance = self.scheduled(Scope::Instance);
        // Who the instance is is asked before whatever is due.
        let identity =
            instance.iter().map(|(_, seconds)| *seconds).min().map(|least| (IDENTITY.to_owned(), least, None));
        let sets = instance.into_iter().chain(self.scheduled(Scope::Database)).map(|(name, seconds)| {
            let set = self.catalog.get(&name);
            // What is sampled takes what its samples take, however often they are told.
            if let Some((set, sample)) = set.and_then(|set| Some((set, set.sample.as_ref()?))) {
                return (name, sample.every, set.yields);
            }
            let is_hastened = |set: &&Set| self.instance.hastened(set.name(), &set.group, set.interval_seconds);
            let turn = set.filter(|set| !is_hastened(set)).and_then(|set| set.yields);
            (name, seconds, turn)
        });
        Budget::new(self.instance.statement_budget, sets.chain(identity))
    }

    /// The instance's name in the configuration.
    pub(super) fn name(&self) -> &str {
        &self.instance.name
    }

    /// The enabled sets of a scope with their intervals in seconds: all but those that are read with others.
    pub(super) fn scheduled(&self, scope: Scope) -> Vec<(String, u32)> {
        let beside = self.catalog.read_beside();
        let sets = self.catalog.sets().filter(|set| set.definition.scope == scope);
        sets.filter(|set| self.instance.enabled(set.name(), &set.group) && !beside.contains(set.name()))
            .map(|set| {
                let interval = self.instance.interval_of(set.name(), &set.group, Some(set.interval_seconds));
                (set.name().to_owned(), interval)
            })
            .collect()
    }

    /// The sets that are due of a scope.
    pub(super) fn of_scope<'a>(catalog: &'a Catalog, due: &[String], scope: Scope) -> Vec<&'a Set> {
        let sets = due.iter().filter_map(|name| catalog.get(name));
        sets.filter(|set| set.definition.scope == scope).collect()
    }

    /// An empty cycle of the instance.
    pub(super) fn cycle(&self, datid: Option<i64>) -> Cycle {
        let mut cycle = Cycle { datid, ..Cycle::default() };
        cycle.instance.name.clone_from(&self.instance.name);
        cycle
    }

    pub(super) fn place(&self, set: &str, datid: Option<i64>) -> Place {
        Place { instance: self.instance.name.clone(), set: set.to_owned(), datid }
    }

    /// What was sent once is sent again.
    pub(super) fn repeat(&mut self) {
        self.repeated.clear();
    }

    /// Whether a set of the users' own took so long that the others come first for a while.
    pub(super) fn rests(&self, set: &str, datid: Option<i64>) -> bool {
        !self.rests.is_empty() && self.rests.get(&self.place(set, datid)).is_some_and(|until| *until > Instant::now())
    }

    /// A set of the users' own was read or not, and took so long.
    pub(super) fn took(&mut self, place: &Place, duration: Duration) {
        if let Some(rest) = custom::rest(duration) {
            self.rests.insert(place.clone(), Instant::now() + rest);
        }
    }

    /// Whether a set of the users' own is read when no other is: nobody knows how long it takes, or it takes long.
    pub(super) fn is_read_alone(&self, set: &str) -> bool {
        let is_quick = |took: Duration| custom::rest(took).is_none();
        self.catalog.get(set).is_some_and(Set::is_users) && !self.budget.mean(set).is_some_and(is_quick)
    }

    /// Nothing rests any more.
    pub(super) fn wake(&mut self) {
        self.rests.clear();
    }

    /// The most rows of a set, for each value of the label of its limit.
    pub(super) fn row_limit(&self, set: &Set) -> Option<usize> {
        self.row_limits.get(&set.limit.as_ref()?.setting).copied()
    }

    /// A time after that of the previous reading, where that one was read by this clock.
    pub(super) fn after_previous(&self, place: &Place, previous: Option<&Baseline>, time_us: i64) -> i64 {
        let read_here = |previous: &&Baseline| self.read_at.get(place).is_some_and(|(at, _)| *at == previous.time_us);
        previous.filter(read_here).map_or(time_us, |previous| time_us.max(previous.time_us.saturating_add(1)))
    }

    /// How long ago the previous reading was. The monotonic clock speaks only between two readings of this process.
    pub(super) fn since_previous_us(&self, place: &Place, previous: Option<&Baseline>, ended: Instant) -> Option<u64> {
        let (_, before) =
            self.read_at.get(place).filter(|(time_us, _)| previous.is_some_and(|p| p.time_us == *time_us))?;
        Some(micros(ended.duration_since(*before)))
    }

    /// Puts a reading that took no statement into the cycle.
    pub(super) fn record_beside(
        &mut self,
        set: &Set,
        (frame, incarnation): (Frame, Incarnation),
        (started, started_us): (Instant, i64),
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) {
        let (place, ended) = (self.place(set.name(), None), Instant::now());
        let last = baselines.get(&place).map(AsRef::as_ref);
        let since_previous_us = self.since_previous_us(&place, last, ended);
        let time_us = self.after_previous(&place, last, self.clock.now_us());
        let at = ReadingTime { incarnation, started_us, time_us, instance_time_us: time_us, since_previous_us };
        let took = Took { at: &at, duration: ended.duration_since(started), ended };
        let interval = Interval::SincePrevious;
        let taken = Taken { place, definition: &set.definition, frame, guard: None, took, interval, plan: None };
        match self.record(taken, baselines, cycle) {
            Ok(()) => {
                self.failures.remove(set.name());
            }
            Err(error) => self.not_read(set, error.to_string(), started_us, cycle),
        }
    }

    /// Forms increments and puts them into the cycle.
    pub(super) fn record(
        &mut self,
        taken: Taken<'_>,
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) -> Result<(), ReadError> {
        let Taken { place, definition, frame, guard, took: Took { at, duration, ended }, interval, plan } = taken;
        let unmeasured = plan.map(|plan| plan.unmeasured.as_slice()).unwrap_or_default();
        // Each sample was noted.
        if plan.is_some_and(|plan| plan.set.sample.is_none()) {
            self.budget.note(&place.set, place.datid, duration);
        }
        self.latest.keep(&place, &frame, unmeasured, at.time_us);
        let previous = baselines.get(&place).map(AsRef::as_ref);
        let formed = if definition.kind() == SetKind::Info {
            let repeat = self.repeated.get(&place).is_none_or(|at| at.elapsed() >= REPEAT_EVERY);
            if repeat {
                self.repeated.insert(place.clone(), Instant::now());
            }
            increments::form_info(&place, definition, previous, frame, repeat, at)?
        } else {
            increments::form(&place, definition, previous, frame, guard, at)?
        };
        self.read_at.insert(place.clone(), (at.time_us, ended));
        let Formed { mut rows, removed, interval_us, flags, advance, next } = formed;
        let interval_us = match interval {
            Interval::SincePrevious => interval_us,
            Interval::Known(interval_us) => interval_us,
        };
        let mut cuts = Vec::new();
        if let Some(plan) = plan {
            for place in &plan.unmeasured {
                rows.columns[*place] = None;
            }
            if let Some(limit) = &plan.set.limit {
                rows = limits::moved_only(plan.set, rows);
                if let Some(most) = self.row_limit(plan.set) {
                    (rows, cuts) = limits::cut(plan.set, limit, rows, most);
                }
            }
        }
        texts::redact_rows(definition, &mut rows);
        let mut reading = Reading {
            set: place.set.clone(),
            definition: definition.hash().0.to_vec(),
            datid: place.datid,
            started_us: at.started_us,
            time_us: at.time_us,
            interval_us,
            duration_us: micros(duration),
            flags,
            removed,
            cuts,
            ..Reading::default()
        };
        reading.encode_rows(&rows);
        cycle.readings.push(reading);
        cycle.advances.push(advance);
        cycle.next.push((place, next));
        Ok(())
    }

    /// A reading of which nothing came.
    pub(super) fn failed(&self, set: &str, error: String, started_us: i64) -> Reading {
        let definition = self.catalog.get(set).map(|set| set.definition.hash().0.to_vec()).unwrap_or_default();
        let time_us = self.clock.now_us();
        Reading { set: set.to_owned(), definition, started_us, time_us, error: Some(error), ..Reading::default() }
    }

    /// Logs that a set was not read, where that is news.
    pub(super) fn complain(&mut self, set: &Set, database: Option<&str>, error: &str) {
        let about = About::Set(set.name().to_owned(), database.map(str::to_owned));
        if self.complaints.is_news(about, error) {
            tracing::warn!(
                instance.name = self.name(),
                database.name = database,
                set.name = set.name(),
                error,
                "a set was not read"
            );
        }
    }

    /// A set beside PostgreSQL was not read.
    pub(super) fn not_read(&mut self, set: &Set, error: String, started_us: i64, cycle: &mut Cycle) {
        self.complain(set, None, &error);
        let state = coverage::state(set, "", State::Error, StateCode::Failed, error.clone(), String::new());
        self.say(set, Some(state));
        cycle.readings.push(self.failed(set.name(), error, started_us));
    }

    /// What could not be read is not shown.
    pub(super) fn show_failures(&self, cycle: &Cycle) {
        if cycle.datid.is_none() {
            let from_it = |set: &str| {
                let scope = self.catalog.get(set).map(|set| set.definition.scope);
                !matches!(scope, Some(Scope::Host | Scope::Pooler | Scope::Collector))
            };
            self.latest.note_up(self.name(), cycle.instance.error.is_none(), from_it);
        }
        for reading in cycle.readings.iter().filter(|reading| reading.error.is_some()) {
            self.latest.forget(&self.place(&reading.set, cycle.datid));
        }
    }

    /// That a set is read less often than it should be, where it is.
    pub(super) fn slowed(&self, set: &Set) -> Option<SetState> {
        let factor = self.budget.factor(set.name());
        let budget = f64::from(self.instance.statement_budget.0.filter(|_| factor > 1)?) / 1e4;
        let (done, interval) = match &set.sample {
            Some(sample) => ("Sampled", sample.every),
            None => ("Read", self.instance.interval_of(set.name(), &set.group, Some(set.interval_seconds))),
        };
        let message = format!(
            "{done} every {} s instead of every {interval} s, because all sets at their intervals would take more of the \
             instance than statement_budget allows, {budget} % of one core.",
            u64::from(interval) * u64::from(factor)
        );
        Some(coverage::state(set, "", State::Degraded, StateCode::Budget, message, String::new()))
    }

    /// Remembers what is to be said of a set, if anything.
    pub(super) fn say(&mut self, set: &Set, state: Option<SetState>) {
        if state.is_none() && self.complaints.is_over(|| About::Set(set.name().to_owned(), None)) {
            tracing::info!(instance.name = self.name(), set.name = set.name(), "the set is read again");
        }
        match state {
            Some(state) => drop(self.failures.insert(set.name().to_owned(), state)),
            None => drop(self.failures.remove(set.name())),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
