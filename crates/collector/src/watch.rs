//! One instance: a cycle reads the sets that are due and says how the baselines move.
//!
//! ```text
//! connect ─► identity ─► plan ─► read each set ─► increments ─► limits ─► redact ─► Reading
//! ```
//! One connection stays open, to the maintenance database: an idle session in any other would make
//! its `drop` and `rename` fail. Sets of an extension that is installed elsewhere are read over a
//! second connection, opened for them and closed at once. Sets of scope `database` have small cycles
//! of their own, one per database: `databases.rs` and `sweep.rs`.

mod complaints;
mod databases;
mod host;
mod instance;
mod itself;
mod pooler;
mod recorder;
mod sampler;
mod server;
mod source;
mod statement;
mod sweep;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, Scope, Set, SetKind};
use wire::{Reading, SetState, State, StateCode};

use crate::baseline::{Advance, Baseline, Place};
use crate::clock::Clock;
use crate::coverage;
use crate::exposition::Latest;
use crate::own::IDENTITY;
use databases::Databases;
use host::Host;
use instance::{Answered, Instance};
use itself::Itself;
use pooler::Pooler;
use recorder::Recorder;
use server::Server;
use source::{At, Source};

/// How often infos and states are sent whole.
const REPEAT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How often what is sent again is read at once, and not when it is due: a spool that is full drops ever again.
const HASTEN_EVERY: Duration = Duration::from_secs(300);

/// How often what sets take is weighed.
const WEIGH_EVERY: Duration = Duration::from_secs(60);

/// A pause that is no pause between two databases of a round.
const ROUND_OVER: Duration = Duration::from_secs(4);

/// The baselines of all instances; a cycle sees those at its beginning.
pub type Baselines = BTreeMap<Place, Arc<Baseline>>;

/// An instance: its sources, and what they share.
#[derive(Debug)]
pub struct Watch {
    recorder: Recorder,
    server: Server,
    instance: Instance,
    databases: Databases,
    host: Host,
    pooler: Pooler,
    itself: Itself,
    held: Vec<SetState>,
    said: Said,
    /// When what the sets take was last weighed.
    weighed: Instant,
}

/// What was said once.
#[derive(Debug, Default)]
struct Said {
    /// The states of all sets, and when.
    states: Option<(Vec<SetState>, Instant)>,
    /// When it was last read at once for being forgotten.
    hastened: Option<Instant>,
}

/// What one cycle gives.
#[derive(Debug, Default)]
pub struct Cycle {
    /// The instance, as it stands in the batch.
    pub instance: wire::Instance,
    /// The database that was read, in a cycle of one.
    pub datid: Option<i64>,
    /// What was read; `instance` is still to be set.
    pub readings: Vec<Reading>,
    /// How the baselines move.
    pub advances: Vec<Advance>,
    /// The baselines from here on, once the advances are on disk.
    pub next: Vec<(Place, Baseline)>,
}

impl Watch {
    /// A watch over a configured instance.
    #[must_use]
    pub fn new(instance: config::Instance, catalog: Arc<Catalog>, row_limit: impl Fn(&str) -> Option<u32>) -> Self {
        let server = Server::new(&instance, &catalog);
        let recorder = Recorder::new(instance, catalog, row_limit);
        Self {
            server,
            instance: Instance::default(),
            databases: Databases::new(Databases::schedule(&recorder)),
            host: Host::default(),
            pooler: Pooler::default(),
            itself: Itself,
            held: Vec::new(),
            said: Said::default(),
            weighed: Instant::now(),
            recorder,
        }
    }

    /// The same, going on from a watch of the same instance under another configuration: what is as it was is neither
    /// read again nor forgotten. Answers which sets are.
    #[must_use]
    pub fn going_on(mut self, before: Self) -> (Self, BTreeSet<String>) {
        let Self { recorder, server, instance, databases, host, pooler, said, weighed, .. } = before;
        let is_same_server = server.connector.dsn() == self.server.connector.dsn();
        let is_same_pooler = recorder.instance.pgbouncer == self.recorder.instance.pgbouncer;
        let is_as_before = |set: &str| {
            let was = recorder.catalog.get(set).filter(|was| recorder.instance.enabled(set, &was.group));
            let is_of_pooler = was.is_some_and(|was| was.definition.scope == Scope::Pooler);
            let is_same_source = is_same_server && (is_same_pooler || !is_of_pooler);
            is_same_source && was.is_some() && was == self.recorder.catalog.get(set)
        };
        let as_before: BTreeSet<String> =
            recorder.catalog.sets().map(|set| set.name().to_owned()).filter(|set| is_as_before(set)).collect();
        let same = |set: &str| set == IDENTITY && is_same_server || as_before.contains(set);
        let selected = |instance: &config::Instance| (instance.databases.clone(), instance.exclude_databases.clone());
        self.server.go_on(server, selected(&recorder.instance) == selected(&self.recorder.instance));
        self.recorder.go_on(recorder, same);
        if is_same_server {
            (self.instance.texts, self.host, self.said, self.weighed) = (instance.texts, host, said, weighed);
            self.instance.sampler = instance.sampler.only(same);
            self.databases.go_on(databases, same);
        }
        if is_same_pooler {
            self.pooler = pooler;
        }
        // The budget may be another one.
        self.weigh();
        let budget = &self.recorder.budget;
        self.databases.slow(|set| budget.factor(set));
        (self, as_before)
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.recorder.clock = clock;
        self
    }

    /// The same with readings that are shown from there.
    #[must_use]
    pub fn shown_in(mut self, latest: Arc<Latest>) -> Self {
        self.recorder.latest = latest;
        self
    }

    /// The same with what is said of sets that are not read.
    #[must_use]
    pub fn beside(mut self, held: Vec<SetState>) -> Self {
        self.held = held;
        self
    }

    /// The instance's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        self.recorder.name()
    }

    /// Where it is.
    #[must_use]
    pub fn dsn(&self) -> &config::Dsn {
        self.server.connector.dsn()
    }

    /// How many connections are in use, those that hang included.
    #[must_use]
    pub fn connections_in_use(&self) -> usize {
        self.server.connector.in_use()
    }

    /// The sets that are read once per instance, with their intervals in seconds.
    #[must_use]
    pub fn schedule(&self) -> Vec<(String, u32)> {
        let recorder = &self.recorder;
        [Instance::schedule(recorder), Host::schedule(recorder), Pooler::schedule(recorder), Itself::schedule(recorder)]
            .concat()
    }

    /// Whether a set is read at all, as far as the configuration says.
    #[must_use]
    pub fn reads(&self, set: &str) -> bool {
        let recorder = &self.recorder;
        recorder.catalog.get(set).is_some_and(|known| recorder.instance.enabled(set, &known.group))
    }

    /// How many times rarer than at its interval a set is read, so that the instance's budget is kept. One that is
    /// sampled is sampled more rarely, and told at its interval as long as there are samples to tell.
    #[must_use]
    pub fn factor(&self, set: &str) -> u32 {
        let factor = self.recorder.budget.factor(set);
        let known = self.recorder.catalog.get(set);
        let Some((known, sample)) = known.and_then(|set| Some((set, set.sample.as_ref()?))) else { return factor };
        let interval = self.recorder.instance.interval_of(set, &known.group, Some(known.interval_seconds));
        sample.every.saturating_mul(factor).div_ceil(interval.max(1)).max(1)
    }

    /// When the next sample is to be taken; `None` where nothing is sampled.
    #[must_use]
    pub fn next_sample(&self) -> Option<tokio::time::Instant> {
        self.instance.sampler.next()
    }

    /// Takes the sample that is due. Dropping it is missing it, and does no harm.
    pub async fn sample(&mut self) {
        self.instance.sampler.sample(&self.server, &mut self.recorder).await;
    }

    /// Lets so long go by, and samples meanwhile.
    pub async fn pause(&mut self, length: Duration) {
        let end = tokio::time::Instant::now() + length;
        while let Some(next) = self.next_sample().filter(|next| *next < end) {
            tokio::time::sleep_until(next).await;
            self.sample().await;
        }
        tokio::time::sleep_until(end).await;
    }

    /// When the next database is to be read; `None` when no set asks for it.
    #[must_use]
    pub fn next_database(&self) -> Option<tokio::time::Instant> {
        self.databases.next()
    }

    /// Sends again what was sent once; texts as far as the baselines do not have them. Returns the sets that are to be
    /// read for it at once, beside those that are due.
    pub fn forget_sent(&mut self) -> Vec<String> {
        self.recorder.repeat();
        self.said.states = None;
        self.instance.texts.retry();
        if self.said.hastened.is_some_and(|at| at.elapsed() < HASTEN_EVERY) {
            return Vec::new();
        }
        self.said.hastened = Some(Instant::now());
        let catalog = Arc::clone(&self.recorder.catalog);
        let is_sent_once = |set: &str| {
            let kind = catalog.get(set).map(|set| set.definition.kind());
            matches!(kind, Some(SetKind::Info | SetKind::Texts))
        };
        self.databases.hasten(is_sent_once);
        self.schedule().into_iter().map(|(set, _)| set).filter(|set| is_sent_once(set)).collect()
    }

    /// Reads what is due, however long it took before.
    pub fn wake(&mut self) {
        self.recorder.wake();
    }

    /// The last cycle did not get to disk: what it was to say once is said again.
    pub fn not_spooled(&mut self) {
        self.recorder.own.not_spooled();
        self.recorder.repeat();
        self.said.states = None;
    }

    /// A cycle was given up: what it was to read is due again, or is to be read again by whoever asked for it.
    pub fn interrupted(&mut self) {
        self.not_spooled();
        self.databases.interrupted();
    }

    /// Whether a set is read when no other is, so that it holds up none.
    #[must_use]
    pub fn is_read_alone(&self, set: &str) -> bool {
        self.recorder.is_read_alone(set)
    }

    /// What the process knows of itself.
    pub fn tell_process(&mut self, process: crate::own::Process) {
        self.recorder.own.process = Some(process);
    }

    /// Cycles of sets that were skipped since the last one.
    pub fn tell_skipped(&mut self, skipped: &[(String, u32)]) {
        self.recorder.own.skipped(skipped);
    }

    /// Reads the sets that are due, those of databases apart.
    pub async fn cycle(&mut self, due: &[String], baselines: &Baselines) -> Cycle {
        if self.weighed.elapsed() >= WEIGH_EVERY {
            self.weigh();
        }
        let mut cycle = self.recorder.cycle(None);
        self.recorder.own.begin();
        let (server, recorder) = (&mut self.server, &mut self.recorder);
        let mut at = At { server, recorder, baselines, cycle: &mut cycle };
        match Box::pin(self.instance.read(due, &mut at)).await {
            Ok(()) => {
                let answered = self.instance.answered.as_ref();
                self.host.keeps_data_in(answered.and_then(|one| one.identity.settings.get("data_directory")));
            }
            Err(error) => at.cycle.instance.error = Some(error),
        }
        let Ok(()) = self.host.read(due, &mut at).await;
        let Ok(()) = self.pooler.read(due, &mut at).await;
        let Ok(()) = self.itself.read(due, &mut at).await;
        if let Some(answered) = self.instance.answered.take() {
            self.report_states(&answered, &mut cycle);
        }
        self.recorder.show_failures(&cycle);
        cycle
    }

    /// Reads what is due in the next database; `None` when nothing was to be read yet.
    pub async fn read_database(&mut self, baselines: &Baselines) -> Option<Cycle> {
        let cycle = self.databases.read_next(&mut self.server, &mut self.recorder, baselines).await?;
        self.recorder.show_failures(&cycle);
        Some(cycle)
    }

    /// Reads all sets in as many databases as may be connected to at once, whatever is due.
    pub async fn read_databases(&mut self, baselines: &Baselines) -> Vec<Cycle> {
        self.databases.again();
        let mut cycles = Vec::new();
        while self.next_database().is_some_and(|next| next <= tokio::time::Instant::now()) {
            cycles.extend(self.read_database(baselines).await);
        }
        cycles
    }

    /// The same, as fast as connections may be opened, until all were read or the time is over.
    pub async fn read_every_database(&mut self, baselines: &Baselines, within: Duration) -> Vec<Cycle> {
        self.databases.again();
        let (mut cycles, end) = (Vec::new(), tokio::time::Instant::now() + within);
        while let Some(next) = self.next_database() {
            // The next round, or a server that cannot be asked.
            if next >= end || next >= tokio::time::Instant::now() + ROUND_OVER {
                break;
            }
            tokio::time::sleep_until(next).await;
            cycles.extend(self.read_database(baselines).await);
        }
        cycles
    }

    /// Why databases are not read, by their oids, as far as that is not what became of a visit. Without one it is the time.
    #[must_use]
    pub fn unread_databases(&self) -> Vec<(i64, Option<String>)> {
        self.databases.unread()
    }

    /// What is wrong with how the instance is configured, although it can be read: a database that is not there.
    pub async fn mistakes(&mut self) -> Vec<String> {
        let mut mistakes: Vec<String> = self.server.mistake().await.into_iter().collect();
        let config = &self.recorder.instance;
        for (key, patterns) in [("databases", &config.databases), ("exclude_databases", &config.exclude_databases)] {
            for pattern in patterns.iter().filter(|pattern| self.databases.is_unknown(pattern)) {
                mistakes.push(format!("{key}: no database is {pattern:?}"));
            }
        }
        mistakes
    }

    /// Looks at what the instance's sets take, and reads them less or more often from here on.
    pub fn weigh(&mut self) {
        self.weighed = Instant::now();
        let budget = &mut self.recorder.budget;
        if !budget.weigh() {
            return;
        }
        let share = budget.takes() / 1e4;
        let slowed: Vec<String> = budget.slowed().map(|(set, factor)| format!("{set} {factor} ×")).collect();
        self.databases.slow(|set| budget.factor(set));
        tracing::info!(
            instance.name = self.recorder.name(),
            all_sets = format!("{share:.2} % of one core"),
            read_less_often = slowed.join(", "),
            "statement_budget is kept"
        );
    }

    /// Puts the states of all sets into the cycle when they changed, or it is time to repeat them.
    fn report_states(&mut self, answered: &Answered, cycle: &mut Cycle) {
        let states = self.states(answered);
        let said = self.said.states.as_ref().filter(|(_, at)| at.elapsed() < REPEAT_EVERY);
        // Nearly always they are as before: nothing is copied for finding that out.
        if said.is_some_and(|(said, _)| states.eq(said.iter().map(Cow::Borrowed))) {
            return;
        }
        let states = self.states(answered);
        let states: Vec<SetState> = states.map(Cow::into_owned).collect();
        cycle.instance.states.clone_from(&states);
        self.said.states = Some((states, Instant::now()));
    }

    /// The states of all sets.
    fn states<'a>(&'a self, answered: &'a Answered) -> impl Iterator<Item = Cow<'a, SetState>> {
        let of_instance = self.instance.states(answered, &self.recorder);
        of_instance.chain(self.states_beside()).chain(self.held.iter().map(Cow::Borrowed))
    }

    /// The states of the sets that are not read from PostgreSQL, in the order of the catalogue.
    fn states_beside(&self) -> impl Iterator<Item = Cow<'_, SetState>> {
        let sets = self.instance.plans.beside(&self.recorder.catalog);
        sets.flat_map(|(set, readable)| {
            let instead = self.instead_beside(set);
            let readable = if instead.is_some() { &[] } else { readable };
            instead.into_iter().chain(readable.iter().map(Cow::Borrowed))
        })
    }

    /// Why such a set is not read, if it is not.
    fn instead_beside(&self, set: &Set) -> Option<Cow<'_, SetState>> {
        let has_reader = match set.definition.scope {
            Scope::Host => crate::host::reader(set.name()).is_some(),
            Scope::Pooler => crate::pooler::reader(set.name()).is_some(),
            _ => itself::reads(set.name()) || self.recorder.catalog.read_beside().contains(set.name()),
        };
        let missing = |code, message: &str| {
            let state = coverage::state(set, "", State::Missing, code, message.to_owned(), String::new());
            Some(Cow::Owned(state))
        };
        if !self.recorder.instance.enabled(set.name(), &set.group) {
            missing(StateCode::Disabled, coverage::SWITCHED_OFF)
        } else if set.definition.scope == Scope::Pooler && self.recorder.instance.pgbouncer.is_none() {
            missing(StateCode::Disabled, "pgbouncer_dsn is not set in the collector's configuration.")
        } else if !has_reader {
            missing(StateCode::Version, "This collector has no reader for it.")
        } else if set.definition.scope == Scope::Host && !self.host.is_here() {
            missing(StateCode::Machine, "The collector runs on another machine than this instance.")
        } else {
            self.recorder.failures.get(set.name()).map(Cow::Borrowed)
        }
    }
}
