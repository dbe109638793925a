//! Sets that are read beside PostgreSQL and not from it: the host's, and the collector's own. They are read
//! whether or not the instance answers, after everything that is read from it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use catalog::{Catalog, Scope, Set};
use wire::{Frame, SetState, State, StateCode};

use super::{Baselines, Cycle, Took, Watch};
use crate::baseline::{Baseline, Incarnation, Place, ReadingTime};
use crate::coverage::{self, Known};
use crate::host::{self, Sources, boot};
use crate::identity::Identity;
use crate::named;
use crate::own::{self, Own};

/// How long the host's files may take: a device that is gone can make whoever asks for its size hang.
const HOST_LIMIT: Duration = Duration::from_secs(5);
/// How long the answer holds whether an instance is on this machine.
const LOCALITY_HOLDS: Duration = Duration::from_secs(60);

/// What is remembered for these sets between cycles.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) own: Own,
    is_here: Option<(Option<bool>, Instant)>,
    data_directory: Option<PathBuf>,
    /// Whether a reading of the host still hangs.
    hangs: Arc<AtomicBool>,
    started_us: i64,
}

/// Whether a set is read beside PostgreSQL.
pub(super) const fn is_beside(set: &Set) -> bool {
    matches!(set.definition.scope, Scope::Host | Scope::Collector)
}

/// Whether there is something that reads a set of these scopes.
fn has_reader(set: &Set) -> bool {
    host::reader(set.name()).is_some() || [own::SETS, own::PROCESS].contains(&set.name())
}

impl Beside {
    pub(super) fn new(catalog: &Catalog, started_us: i64) -> Self {
        Self {
            own: Own::new(catalog),
            is_here: None,
            data_directory: None,
            hangs: Arc::new(AtomicBool::new(false)),
            started_us,
        }
    }

    /// The process started then, by its clock.
    pub(super) const fn begin_at(&mut self, started_us: i64) {
        self.started_us = started_us;
    }

    /// Remembers where the instance keeps its data, for when it does not answer.
    pub(super) fn keeps_data_in(&mut self, directory: Option<&String>) {
        self.data_directory = directory.map(PathBuf::from);
    }
}

impl Watch {
    /// Reads those of the due sets that are read beside PostgreSQL.
    pub(super) async fn read_beside(&mut self, due: &[&str], baselines: &Baselines, cycle: &mut Cycle) {
        let catalog = Arc::clone(&self.catalog);
        let sets = |scope: Scope| {
            let sets = due.iter().filter_map(|name| catalog.get(name));
            sets.filter(move |set| set.definition.scope == scope && has_reader(set))
        };
        for set in sets(Scope::Host) {
            if self.is_on_this_machine().await == Some(true) {
                let (started, started_us) = (Instant::now(), self.clock.now_us());
                match self.read_host(set, baselines, started_us).await {
                    Ok((frame, life)) => self.keep(set, frame, life, started, started_us, baselines, cycle),
                    Err(error) => self.not_read(set, error, started_us, cycle),
                }
            }
        }
        self.beside.own.count(&mut cycle.readings);
        let counted = cycle.readings.len();
        for set in sets(Scope::Collector) {
            let (started, started_us) = (Instant::now(), self.clock.now_us());
            let rows =
                if set.name() == own::SETS { self.beside.own.tell() } else { vec![self.beside.own.process_row()] };
            let frame = named::frame(&set.definition, &rows);
            let life = own::incarnation(self.beside.started_us);
            self.keep(set, frame, life, started, started_us, baselines, cycle);
        }
        self.beside.own.count(&mut cycle.readings[counted..]);
    }

    async fn read_host(
        &mut self,
        set: &Set,
        baselines: &Baselines,
        started_us: i64,
    ) -> Result<(Frame, Incarnation), String> {
        if self.beside.hangs.load(Ordering::Acquire) {
            return Err("the last reading of the host still hangs".to_owned());
        }
        let reader = host::reader(set.name()).ok_or("nothing reads it")?;
        let sources = Sources::here(self.beside.data_directory.clone());
        let hangs = Arc::clone(&self.beside.hangs);
        hangs.store(true, Ordering::Release);
        let last = self.last(set, baselines).cloned();
        let definition = set.definition.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let life = last.as_ref().map(|last| &last.incarnation);
            let read = boot::incarnation(&sources, life, started_us).and_then(|boot| {
                let rows = (reader.read)(&sources)?;
                Ok((reader.follow(&definition, rows, last.as_deref(), &boot), boot))
            });
            hangs.store(false, Ordering::Release);
            read.map_err(|error| error.to_string())
        });
        match tokio::time::timeout(HOST_LIMIT, reading).await {
            Ok(read) => read.map_err(|error| error.to_string())?,
            Err(_) => Err(format!("the host's files did not answer within {} s", HOST_LIMIT.as_secs())),
        }
    }

    fn last<'a>(&self, set: &Set, baselines: &'a Baselines) -> Option<&'a Arc<Baseline>> {
        baselines.get(&self.place_of(set))
    }

    fn place_of(&self, set: &Set) -> Place {
        Place { instance: self.config.name.clone(), set: set.name().to_owned(), datid: None }
    }

    /// Puts a reading into the cycle as one from PostgreSQL is.
    #[expect(clippy::too_many_arguments, reason = "one reading with all that belongs to it")]
    fn keep(
        &mut self,
        set: &Set,
        frame: Frame,
        incarnation: Incarnation,
        started: Instant,
        started_us: i64,
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) {
        let (place, ended) = (self.place_of(set), Instant::now());
        let last = baselines.get(&place).map(AsRef::as_ref);
        let since_previous_us = self.since_previous_us(&place, last, ended);
        let time_us = self.after_previous(&place, last, self.clock.now_us());
        let at = ReadingTime { incarnation, started_us, time_us, instance_time_us: time_us, since_previous_us };
        let took = Took { at: &at, duration: ended.duration_since(started), ended };
        match self.store(place, &set.definition, frame, None, took, None, baselines, cycle) {
            Ok(()) => {
                self.failures.remove(set.name());
            }
            Err(error) => self.not_read(set, error.to_string(), started_us, cycle),
        }
    }

    fn not_read(&mut self, set: &Set, error: String, started_us: i64, cycle: &mut Cycle) {
        tracing::warn!(instance.name = %self.config.name, set.name = set.name(), error, "a set was not read");
        let state = coverage::state(set, "", State::Error, StateCode::Failed, error.clone(), String::new());
        self.failures.insert(set.name().to_owned(), state);
        cycle.readings.push(self.failed(set.name(), error, started_us));
    }

    /// Whether the instance runs on this machine; asked once in a while, since a name may move.
    async fn is_on_this_machine(&mut self) -> Option<bool> {
        if let Some((is_here, _)) = self.beside.is_here.filter(|(_, at)| at.elapsed() < LOCALITY_HOLDS) {
            return is_here;
        }
        let is_here = host::is_here(self.connector.dsn()).await;
        self.beside.is_here = Some((is_here, Instant::now()));
        is_here
    }

    /// The states of these sets, in the order of the catalogue.
    pub(super) fn beside_states(&self, identity: &Identity) -> Vec<SetState> {
        let known = Known { identity, grants: self.grants.as_ref(), extension: None };
        let here = self.beside.is_here.and_then(|(is_here, _)| is_here);
        let mut states = Vec::new();
        for set in self.catalog.sets().filter(|set| is_beside(set)) {
            let missing = |code, message: &str| {
                vec![coverage::state(set, "", State::Missing, code, message.to_owned(), String::new())]
            };
            states.extend(if !self.config.enabled(set.name(), &set.group) {
                missing(StateCode::Disabled, coverage::SWITCHED_OFF)
            } else if !has_reader(set) {
                missing(StateCode::Version, "This collector has no reader for it.")
            } else if set.definition.scope == Scope::Host && here != Some(true) {
                missing(StateCode::Machine, "The collector runs on another machine than this instance.")
            } else if let Some(failure) = self.failures.get(set.name()) {
                vec![failure.clone()]
            } else {
                coverage::readable(set, known)
            });
        }
        states
    }
}
