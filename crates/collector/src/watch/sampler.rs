//! Samples between the readings of an instance, over the connection that is open anyway: never another one is made for
//! them. A reading of a sampled set is what its samples add up to, with how many were taken and missed at the same time.
//!
//! A sample holds nothing up: whoever has something else to do drops it, and until it is answered no other is asked for.

use std::sync::Arc;
use std::time::{Duration, Instant as Monotonic};

use catalog::{SAMPLE_COUNTS, Set};
use tokio::time::Instant;
use wire::Frame;

use super::recorder::{Interval, Recorder, Taken, Took};
use super::server::Server;
use super::source::At;
use crate::baseline::{Incarnation, ReadingTime};
use crate::connect::Session;
use crate::coverage::{Plan, Way};
use crate::identity::Identity;
use crate::named;
use crate::read::{self, ReadError};
use crate::samples::{Slots, Tally};

/// The sets that are sampled.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    sampled: Vec<Sampled>,
    /// A sample was asked for, and the connection has not answered since.
    is_unanswered: bool,
}

/// One of them.
#[derive(Debug)]
struct Sampled {
    set: String,
    way: Arc<Way>,
    slots: Slots,
    tally: Tally,
    /// When it was last told.
    told: Option<Monotonic>,
    /// Of whom the samples tell.
    life: Incarnation,
    clock_offset_us: i64,
}

impl Sampler {
    /// When the next sample is to be taken.
    pub(super) fn next(&self) -> Option<Instant> {
        self.sampled.iter().map(|one| one.slots.next()).min()
    }

    /// The same without the sets that are read otherwise from now on.
    pub(super) fn only(mut self, is_as_before: impl Fn(&str) -> bool) -> Self {
        self.sampled.retain(|one| is_as_before(&one.set));
        self
    }

    /// The connection answered what was asked after a sample, or is gone.
    pub(super) fn answered(&mut self) {
        self.is_unanswered = false;
    }

    /// Samples what can be read by these plans, as often as the budget lets it.
    pub(super) fn follow(&mut self, plans: &[Plan<'_>], identity: &Identity, recorder: &Recorder) {
        let now = Instant::now();
        let is_read = |plan: &&Plan<'_>| plan.sql.is_some() && plan.set.sample.is_some();
        self.sampled.retain(|one| plans.iter().filter(is_read).any(|plan| plan.set.name() == one.set));
        for plan in plans.iter().filter(is_read) {
            let Some(sample) = &plan.set.sample else { continue };
            let factor = recorder.budget.factor(plan.set.name());
            let slots = || Slots::new(Duration::from_secs(sample.every.into()), factor, now, rand::random());
            let life = identity.incarnation.clone();
            let clock_offset_us = identity.clock_offset_us;
            match self.sampled.iter_mut().find(|one| one.set == plan.set.name()) {
                Some(one) => {
                    if !one.life.may_be_of_one_cluster(&life) {
                        one.tally.discard();
                    }
                    if one.slots.factor() != factor {
                        one.tally.missed += one.slots.missed(now);
                        one.slots = slots();
                    }
                    (one.life, one.clock_offset_us) = (life, clock_offset_us);
                    one.way = Arc::clone(&plan.way);
                }
                None => {
                    let (set, way) = (plan.set.name().to_owned(), Arc::clone(&plan.way));
                    let (slots, tally) = (slots(), Tally::default());
                    self.sampled.push(Sampled { set, way, slots, tally, told: None, life, clock_offset_us });
                }
            }
        }
    }

    /// Takes the sample that is due. It is missed unless it is answered; this may be dropped at any time.
    pub(super) async fn sample(&mut self, server: &Server, recorder: &mut Recorder) {
        let now = Instant::now();
        let Some(one) =
            self.sampled.iter_mut().filter(|one| one.slots.next() <= now).min_by_key(|one| one.slots.next())
        else {
            return;
        };
        let session = server.main.as_ref().map(|(session, _)| session).filter(|session| session.is_usable());
        let (Some(session), false) = (session, self.is_unanswered) else {
            one.miss(now);
            let why = if self.is_unanswered { "the one before is not answered" } else { "no connection" };
            one.tally.why = Some(why.to_owned());
            return;
        };
        self.is_unanswered = true;
        let outcome = one.take(session, recorder).await;
        self.is_unanswered = matches!(outcome, Err(ReadError::Silent(_)));
    }

    /// Puts what the samples of a set add up to into the cycle. A set of which no sample was taken since its last reading
    /// is sampled now: whoever reads only now and then sees something, too.
    pub(super) async fn read(&mut self, session: &Session, set: &Set, at: &mut At<'_>) -> Result<(), ReadError> {
        let Some(one) = self.sampled.iter_mut().find(|one| one.set == set.name()) else { return Ok(()) };
        let now = Instant::now();
        one.tally.missed += one.slots.missed(now);
        let is_wanted = one.told.is_none() || one.tally.missed > 0;
        if one.tally.taken == 0 && is_wanted && one.slots.is_open(now) {
            // What went wrong is told below.
            let _ = one.take(session, at.recorder).await;
        }
        one.tell(set, at)
    }

    /// The same of an instance that does not answer any more: what was sampled before is told.
    pub(super) fn tell_rest(&mut self, set: &Set, at: &mut At<'_>) -> Option<Result<(), ReadError>> {
        let one = self.sampled.iter_mut().find(|one| one.set == set.name())?;
        one.tally.missed += one.slots.missed(Instant::now());
        Some(one.tell(set, at))
    }
}

impl Sampled {
    /// The current slot gets no sample.
    fn miss(&mut self, now: Instant) {
        self.tally.missed += self.slots.take(now, rand::random()) + u64::from(self.slots.factor());
    }

    /// Takes a sample of the current slot, which is missed until it is answered.
    async fn take(&mut self, session: &Session, recorder: &mut Recorder) -> Result<(), ReadError> {
        self.miss(Instant::now());
        let catalog = Arc::clone(&recorder.catalog);
        let (Some(set), Some(sql)) = (catalog.get(&self.set), &self.way.sql) else { return Ok(()) };
        // What is left of other questions.
        session.take_marked();
        let began = Monotonic::now();
        let outcome = read::frame(session, &set.definition, sql, 0).await;
        recorder.own.marked(&self.set, session.take_marked());
        match outcome {
            Ok(sample) => {
                let took = began.elapsed();
                self.tally.time += took;
                recorder.budget.note(&self.set, None, took);
                let factor = self.slots.factor();
                self.tally.missed -= u64::from(factor);
                self.tally.add(set, &sample, factor, recorder.row_limit(set));
                Ok(())
            }
            Err(error) => {
                self.tally.why = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Tells what was sampled, and begins anew.
    fn tell(&mut self, set: &Set, at: &mut At<'_>) -> Result<(), ReadError> {
        let mut tally = std::mem::take(&mut self.tally);
        // Between two readings that follow each other closely none is due, and none is missed.
        if tally.is_empty() && self.told.is_none() {
            return Err(ReadError::NotSampled { missed: 0, why: "no connection".to_owned() });
        }
        let catalog = Arc::clone(&at.recorder.catalog);
        let counts = set.sample.as_ref().and_then(|sample| catalog.get(&sample.counted_in));
        // Both are of one moment, so that one can be divided by the other.
        let (ended, started_us) = (Monotonic::now(), at.recorder.clock.now_us());
        let time_us = [Some(set), counts].into_iter().flatten().fold(started_us, |time_us, set| {
            let place = at.recorder.place(set.name(), None);
            at.recorder.after_previous(&place, at.baselines.get(&place).map(AsRef::as_ref), time_us)
        });
        // The samples are of this time, however long ago those before were: an earlier process may have told them.
        let since = self.told.replace(ended).map(|last| ended.duration_since(last));
        let interval = Interval::Known(since.map(|since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX)));
        let told = Told { ended, started_us, time_us, interval };
        if let Some(counts) = counts {
            let row = SAMPLE_COUNTS.into_iter().zip([tally.taken, tally.missed]);
            let row = row.map(|(name, count)| (name, Some(count).into())).collect();
            self.record(counts, named::frame(&counts.definition, &[row]), None, told, at)?;
        }
        if tally.taken == 0 && tally.missed > 0 {
            let why = tally.why.unwrap_or_else(|| "the connection was busy".to_owned());
            return Err(ReadError::NotSampled { missed: tally.missed, why });
        }
        self.record(set, tally.take_groups(set), Some(tally.time), told, at)
    }

    /// Puts a reading into the cycle: of the samples, whose statements took so long, or of how many there were.
    fn record(
        &self,
        set: &Set,
        frame: Frame,
        took: Option<Duration>,
        told: Told,
        at: &mut At<'_>,
    ) -> Result<(), ReadError> {
        let place = at.recorder.place(set.name(), None);
        let last = at.baselines.get(&place).map(AsRef::as_ref);
        let Told { ended, started_us, time_us, interval } = told;
        let time = ReadingTime {
            incarnation: self.life.clone(),
            started_us,
            time_us,
            instance_time_us: time_us.saturating_add(self.clock_offset_us),
            since_previous_us: at.recorder.since_previous_us(&place, last, ended),
        };
        let plan = Plan { set, way: Arc::clone(&self.way) };
        let plan = took.map(|_| &plan);
        let took = Took { at: &time, duration: took.unwrap_or_default(), ended };
        let taken = Taken { place, definition: &set.definition, frame, guard: None, took, interval, plan };
        at.recorder.record(taken, at.baselines, at.cycle)
    }
}

/// When samples were told.
#[derive(Clone, Copy)]
struct Told {
    ended: Monotonic,
    started_us: i64,
    time_us: i64,
    interval: Interval,
}
