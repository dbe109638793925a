//! One instance: a cycle reads the sets that are due and says how the baselines move.
//!
//! ```text
//! connect ─► identity ─► plan ─► read each set ─► increments ─► limits ─► redact ─► Reading
//! ```
//! One connection stays open, to the maintenance database: an idle session in any other would make
//! its `drop` and `rename` fail. Sets of an extension that is installed elsewhere are read over a
//! second connection, opened for them and closed at once. Sets of scope `database` have small cycles
//! of their own, one per database: `sweep.rs` and `visit.rs`.

mod beside;
mod sweep;
mod visit;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, Kind, Scope, Set, SetKind, WithoutGrant};
use connection::describe;
use wire::{Frame, Reading, SetState, State, StateCode};

use crate::baseline::{Advance, Baseline, Place, ReadingTime};
use crate::clock::Clock;
use crate::connect::{ConnectError, Connector, Session};
use crate::coverage::{self, Extension, Grants, Known, Plan};
use crate::discovery::Discovery;
use crate::identity::{self, Identity};
use crate::increments::{self, Formed, Guard};
use crate::read::{self, ReadError};
use crate::{limits, texts};
use sweep::Sweep;

/// The database that the open connection goes to.
const MAINTENANCE_DATABASE: &str = "postgres";
/// The set of the instance's settings, which a session shows as its own where it was told others.
const SETTINGS: &str = "pg_settings";
/// How often infos and states are sent whole.
const REPEAT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How often what is sent again is read at once, and not when it is due: a spool that is full drops ever again.
const HASTEN_EVERY: Duration = Duration::from_secs(300);

/// The baselines of all instances; a cycle sees those at its beginning.
pub type Baselines = BTreeMap<Place, Arc<Baseline>>;

/// An instance and what is remembered of it between cycles.
#[derive(Debug)]
pub struct Watch {
    config: config::Instance,
    catalog: Arc<Catalog>,
    row_limits: HashMap<String, usize>,
    connector: Connector,
    main: Option<(Session, String)>,
    settings: Vec<String>,
    grants: Option<Grants>,
    discovery: Discovery,
    read_at: HashMap<Place, (i64, Instant)>,
    repeated: HashMap<Place, Instant>,
    states: Option<(Vec<SetState>, Instant)>,
    failures: BTreeMap<String, SetState>,
    texts: texts::Pace,
    hastened: Option<Instant>,
    sweep: Sweep,
    beside: beside::Beside,
    clock: Clock,
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

/// One set's statement and what came of it, before increments.
struct Taken {
    frame: Frame,
    guard: Option<(Frame, Frame)>,
    started_us: i64,
    time_us: i64,
    duration: Duration,
    ended: Instant,
}

/// When a reading was taken, and how long that took.
#[derive(Clone, Copy)]
struct Took<'a> {
    at: &'a ReadingTime,
    duration: Duration,
    ended: Instant,
}

impl Watch {
    /// A watch over a configured instance.
    #[must_use]
    pub fn new(instance: config::Instance, catalog: Arc<Catalog>, row_limit: impl Fn(&str) -> Option<u32>) -> Self {
        let mut settings: Vec<String> = identity::SETTINGS.iter().map(|name| (*name).to_owned()).collect();
        let mut row_limits = HashMap::new();
        for set in catalog.sets() {
            settings.extend(set.definition.columns.iter().filter_map(|column| column.requires_setting.clone()));
            let limit = set.limit.as_ref().and_then(|limit| Some((&limit.setting, row_limit(&limit.setting)?)));
            row_limits.extend(limit.map(|(setting, most)| (setting.clone(), most as usize)));
        }
        settings.sort();
        settings.dedup();
        let clock = Clock::here();
        let mut watch = Self {
            connector: Connector::new(instance.dsn.clone()),
            config: instance,
            beside: beside::Beside::new(&catalog, clock.now_us()),
            catalog,
            row_limits,
            main: None,
            settings,
            grants: None,
            discovery: Discovery::default(),
            read_at: HashMap::new(),
            repeated: HashMap::new(),
            states: None,
            failures: BTreeMap::new(),
            texts: texts::Pace::default(),
            hastened: None,
            sweep: Sweep::default(),
            clock,
        };
        watch.sweep = Sweep::new(watch.scheduled(&[Scope::Database]));
        watch
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.beside.begin_at(clock.now_us());
        self.clock = clock;
        self
    }

    /// The instance's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How many connections are in use, those that hang included.
    #[must_use]
    pub fn connections_in_use(&self) -> usize {
        self.connector.in_use()
    }

    /// The sets that are read once per instance, with their intervals in seconds: all but guards, which
    /// are read with what they guard.
    #[must_use]
    pub fn schedule(&self) -> Vec<(String, u32)> {
        self.scheduled(&[Scope::Instance, Scope::Host, Scope::Collector])
    }

    fn scheduled(&self, scopes: &[Scope]) -> Vec<(String, u32)> {
        let enabled = |set: &Set| self.config.enabled(set.name(), &set.group);
        let guards: HashSet<&str> = self.catalog.sets().filter_map(|set| set.guard.as_deref()).collect();
        self.catalog
            .sets()
            .filter(|set| scopes.contains(&set.definition.scope))
            .filter(|set| enabled(set) && !guards.contains(set.name()))
            .map(|set| {
                let interval = self.config.interval_of(set.name(), &set.group, Some(set.interval_seconds));
                (set.name().to_owned(), interval)
            })
            .collect()
    }

    /// Sends again what was sent once; texts as far as the baselines do not have them. Returns the sets that are to be
    /// read for it at once, beside those that are due.
    pub fn forget_sent(&mut self) -> Vec<String> {
        self.repeated.clear();
        self.states = None;
        self.texts.retry();
        if self.hastened.is_some_and(|at| at.elapsed() < HASTEN_EVERY) {
            return Vec::new();
        }
        self.hastened = Some(Instant::now());
        let catalog = Arc::clone(&self.catalog);
        let is_sent_once = |set: &str| {
            let kind = catalog.get(set).map(|set| set.definition.kind());
            matches!(kind, Some(SetKind::Info | SetKind::Texts))
        };
        self.sweep.hasten(is_sent_once);
        self.schedule().into_iter().map(|(set, _)| set).filter(|set| is_sent_once(set)).collect()
    }

    /// The last cycle did not get to disk: what it was to say once is said again.
    pub fn not_spooled(&mut self) {
        self.beside.own.not_spooled();
        self.repeated.clear();
        self.states = None;
    }

    /// What the process knows of itself, and the cycles of sets that were skipped since the last one.
    pub fn tell_own(&mut self, process: crate::own::Process, skipped: &[(String, u32)]) {
        self.beside.own.process = Some(process);
        self.beside.own.skipped(skipped);
    }

    /// Reads the sets that are due.
    pub async fn cycle(&mut self, due: &[String], baselines: &Baselines) -> Cycle {
        let mut cycle = Cycle::default();
        cycle.instance.name.clone_from(&self.config.name);
        self.beside.own.begin();
        let catalog = Arc::clone(&self.catalog);
        let is_beside = |name: &&str| catalog.get(name).is_some_and(beside::is_beside);
        let (beside, due): (Vec<&str>, Vec<&str>) = due.iter().map(String::as_str).partition(is_beside);
        let began = Instant::now();
        let identity = match self.identify().await {
            Ok(identity) => identity,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(instance.name = %self.config.name, error, "the instance cannot be read");
                for set in due {
                    cycle.readings.push(self.failed(set, error.clone(), self.clock.now_us()));
                }
                cycle.instance.error = Some(error);
                self.read_beside(&beside, baselines, &mut cycle).await;
                return cycle;
            }
        };
        cycle.instance.attributes = Some(self.attributes(&identity));
        self.beside.keeps_data_in(identity.settings.get("data_directory"));
        self.beside.own.identified(began.elapsed());
        let wants_extension = due.iter().any(|name| catalog.get(name).is_some_and(|set| set.extension.is_some()));
        if wants_extension {
            self.find_extension().await;
        }
        let extension = self.discovery.found().cloned();
        if let (Some(attributes), Some(found)) = (&mut cycle.instance.attributes, &extension) {
            attributes.statements_version = Some(found.version.to_string());
        }
        let known = Known { identity: &identity, grants: self.grants.as_ref(), extension: extension.as_ref() };
        let mut plans = coverage::plan(&catalog, known, |set, group| self.config.enabled(set, group));
        if let Some(unread) = self.discovery.unread() {
            let missing = |state: &&mut SetState| state.code == StateCode::Extension as i32;
            for state in plans.iter_mut().flat_map(|plan| &mut plan.states).filter(missing) {
                state.message = format!("{} {unread}", state.message);
            }
        }
        let (elsewhere, here): (Vec<&Plan<'_>>, Vec<&Plan<'_>>) = plans
            .iter()
            .filter(|plan| plan.sql.is_some() && due.contains(&plan.set.name()))
            .partition(|plan| plan.set.extension.is_some() && !self.is_here(extension.as_ref()));
        let (settings, here): (Vec<&Plan<'_>>, Vec<&Plan<'_>>) =
            here.into_iter().partition(|plan| plan.set.name() == SETTINGS);
        if let Some((main, database)) = self.main.take() {
            // Where the other session cannot be had, what this one was told is not known of the instance.
            let other = if settings.is_empty() { None } else { self.connector.connect_plainly(&database).await.ok() };
            let session = other.as_ref().unwrap_or(&main);
            self.read_sets(session, &identity, &settings, &plans, baselines, &mut cycle).await;
            if let Some(other) = other {
                other.commit().await;
            }
            self.read_sets(&main, &identity, &here, &plans, baselines, &mut cycle).await;
            if !main.client.is_closed() {
                self.main = Some((main, database));
            }
        }
        if let Some(extension) = extension.as_ref().filter(|_| !elsewhere.is_empty()) {
            self.read_elsewhere(&extension.database, &elsewhere, &plans, baselines, &mut cycle).await;
        }
        self.read_beside(&beside, baselines, &mut cycle).await;
        self.report_states(&plans, self.beside_states(&identity), &mut cycle);
        cycle
    }

    /// The open connection's identity; connects when there is none.
    async fn identify(&mut self) -> anyhow::Result<Identity> {
        if self.main.as_ref().is_none_or(|(main, _)| main.client.is_closed()) {
            self.main = None;
            self.main = Some(self.connect_main().await?);
            self.grants = None;
        }
        let Some((main, _)) = &self.main else { anyhow::bail!("no connection") };
        match tokio::time::timeout(read::limit(), Identity::read(main, &self.settings)).await {
            Ok(Ok(identity)) => {
                // Whatever is taken from the role is no longer read from here on: hidden is not zero.
                self.grants = Some(identity.grants.clone());
                Ok(identity.seen_at(self.clock.now_us()))
            }
            Ok(Err(error)) => {
                if error.is_broken() {
                    self.main = None;
                }
                Err(error.into())
            }
            Err(_) => {
                self.main = None;
                Err(ReadError::Silent.into())
            }
        }
    }

    /// Connects to the maintenance database, or to the configured one; the error names the last that was tried.
    async fn connect_main(&self) -> anyhow::Result<(Session, String)> {
        let configured = &self.connector.dsn().dbname;
        let mut database = MAINTENANCE_DATABASE;
        let mut outcome = self.connector.connect(database).await;
        let refused = matches!(&outcome, Err(ConnectError::Refused(error)) if error.as_db_error().is_some());
        if refused && configured != MAINTENANCE_DATABASE {
            database = configured;
            outcome = self.connector.connect(database).await;
        }
        match outcome {
            Ok(session) => Ok((session, database.to_owned())),
            Err(error) => {
                let fix = error.fix(database, &self.connector.dsn().user);
                anyhow::bail!("{error} (database {database}){}", read::in_words(&fix))
            }
        }
    }

    /// What is wrong with how the instance is configured, although it can be read: a database that is not there.
    pub async fn mistakes(&mut self) -> Vec<String> {
        let configured = self.connector.dsn().dbname.clone();
        let mut mistakes = Vec::new();
        if self.main.as_ref().is_some_and(|(_, open)| *open != configured)
            && let Err(error) = self.connector.connect(&configured).await
        {
            let fix = error.fix(&configured, &self.connector.dsn().user);
            let fix = read::in_words(&fix);
            mistakes.push(format!("{error} (database {configured}, which the connection string names){fix}"));
        }
        for (key, patterns) in
            [("databases", &self.config.databases), ("exclude_databases", &self.config.exclude_databases)]
        {
            for pattern in patterns.iter().filter(|pattern| self.sweep.is_unknown(pattern)) {
                mistakes.push(format!("{key}: no database is {pattern:?}"));
            }
        }
        mistakes
    }

    fn is_here(&self, extension: Option<&Extension>) -> bool {
        match (&self.main, extension) {
            (Some((_, database)), Some(extension)) => *database == extension.database,
            _ => true,
        }
    }

    async fn find_extension(&mut self) {
        if let Some((main, database)) = &self.main {
            let selects = |name: &str| self.config.selects(name);
            self.discovery.look(&self.connector, main, database, selects).await;
        }
    }

    fn attributes(&self, identity: &Identity) -> wire::Attributes {
        let dsn = self.connector.dsn();
        wire::Attributes {
            system_identifier: identity.incarnation.system_identifier.clone(),
            version_num: identity.version_num,
            version: identity.version.clone(),
            role: if identity.standby { "standby" } else { "primary" }.to_owned(),
            host: dsn.host.to_string(),
            port: dsn.port.into(),
            timeline: identity.timeline,
            postmaster_start_us: identity.incarnation.postmaster_start_us,
            clock_offset_us: Some(identity.clock_offset_us),
            max_connections: Some(identity.max_connections),
            track: identity.settings.get("pg_stat_statements.track").cloned(),
            statements_version: None,
        }
    }

    async fn read_elsewhere(
        &mut self,
        database: &str,
        elsewhere: &[&Plan<'_>],
        plans: &[Plan<'_>],
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) {
        let error = match self.connector.connect(database).await {
            Err(error) => {
                // An instance that hangs or refuses for now has the extension where it was.
                if error.is_about_database() {
                    self.discovery.forget();
                }
                error.to_string()
            }
            // This connection may have met another incarnation than the open one.
            Ok(session) => match self.meet(&session, database).await {
                Err(error) => error.to_string(),
                // The extension was updated or moved: the statements were planned for another version.
                Ok(None) => return,
                Ok(Some(identity)) => {
                    return self.read_sets(&session, &identity, elsewhere, plans, baselines, cycle).await;
                }
            },
        };
        tracing::warn!(instance.name = %self.config.name, database.name = database, error, "cannot read a database");
        for plan in elsewhere {
            cycle.readings.push(self.failed(plan.set.name(), error.clone(), self.clock.now_us()));
        }
    }

    /// The identity over a second connection, where the extension is still as it was found.
    async fn meet(&mut self, session: &Session, database: &str) -> Result<Option<Identity>, ReadError> {
        let meeting = async {
            let same = self.discovery.confirm(session, database).await?;
            let identity = Identity::read(session, &self.settings).await?;
            Ok(same.then_some(identity))
        };
        tokio::time::timeout(read::limit(), meeting).await.unwrap_or(Err(ReadError::Silent))
    }

    async fn read_sets(
        &mut self,
        session: &Session,
        identity: &Identity,
        due: &[&Plan<'_>],
        plans: &[Plan<'_>],
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) {
        for (nth, plan) in due.iter().enumerate() {
            let guard = plan.set.guard.as_ref().and_then(|name| plans.iter().find(|plan| plan.set.name() == name));
            let started_us = self.clock.now_us();
            let outcome = self.read_set(session, identity, plan, guard, baselines, cycle).await;
            match outcome {
                Ok(()) => {
                    self.failures.remove(plan.set.name());
                }
                Err(error) => {
                    self.fail(plan.set, &error, identity);
                    cycle.readings.push(self.failed(plan.set.name(), error.to_string(), started_us));
                    if plan.set.extension.is_some() && error.is_about_objects() {
                        self.discovery.forget();
                    }
                    if error.is_broken() || session.client.is_closed() {
                        for plan in &due[nth + 1..] {
                            let reason = error.to_string();
                            cycle.readings.push(self.failed(plan.set.name(), reason, started_us));
                        }
                        break;
                    }
                }
            }
        }
    }

    fn fail(&mut self, set: &Set, error: &ReadError, identity: &Identity) {
        tracing::warn!(instance.name = %self.config.name, set.name = set.name(), %error, "a set was not read");
        let (how, code, message, fix) = if error.is_encoding() {
            let message = format!(
                "Some statements are not UTF-8, and texts can then be read from a SQL_ASCII database with \
                 pg_stat_statements only, of which there is none; figures are complete. {error}"
            );
            (State::Degraded, StateCode::Failed, message, make_raw(identity.version_num))
        } else {
            why_not_read(set, error, Known { identity, grants: self.grants.as_ref(), extension: None })
        };
        let state = coverage::state(set, "", how, code, message, fix);
        self.failures.insert(set.name().to_owned(), state);
    }

    async fn read_set(
        &mut self,
        session: &Session,
        identity: &Identity,
        plan: &Plan<'_>,
        guard: Option<&Plan<'_>>,
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) -> Result<(), ReadError> {
        let set = plan.set;
        // What is left of the cycle's own questions.
        session.take_marked();
        let place = Place { instance: self.config.name.clone(), set: set.name().to_owned(), datid: cycle.datid };
        if set.definition.kind() == SetKind::Texts {
            let figures = Place { set: texts::STATEMENTS.to_owned(), ..place.clone() };
            let read = cycle.next.iter().find(|(place, _)| *place == figures).map(|(_, next)| next);
            let figures = read.or_else(|| baselines.get(&figures).map(AsRef::as_ref));
            let catalog = Arc::clone(&self.catalog);
            let figures = catalog.get(texts::STATEMENTS).map(|set| &set.definition).zip(figures);
            let known = baselines.get(&place).map(AsRef::as_ref);
            let life = &identity.incarnation;
            let mut read = self.texts.read(session, plan, &place, life, figures, known, &self.clock).await;
            if read.as_ref().is_err_and(ReadError::is_encoding)
                && let Some(raw) = self.discovery.raw(&self.connector, session).await
            {
                read = self.read_raw_texts(&raw, identity, &place, figures, known).await;
            }
            self.beside.own.marked(set.name(), session.take_marked());
            let Some(read) = read? else { return Ok(()) };
            cycle.readings.push(read.reading);
            cycle.advances.push(read.advance);
            cycle.next.push((place, read.next));
            return Ok(());
        }
        let previous = baselines.get(&place);
        let expected = previous.map_or(0, |previous| previous.frame.rows);
        let taken = take(session, plan, guard, expected, &self.clock).await;
        self.beside.own.marked(set.name(), session.take_marked());
        let mut taken = taken?;
        if set.name() == SETTINGS {
            // Before the baseline, which goes to disk too.
            texts::redact_settings(&set.definition, &mut taken.frame);
        }
        refuse_hidden_rows(set, &taken.frame)?;
        let previous = previous.map(AsRef::as_ref);
        let here = self.since_previous_us(&place, previous, taken.ended);
        let instance_time_us = taken.time_us.saturating_add(identity.clock_offset_us);
        let at = ReadingTime {
            incarnation: identity.incarnation.clone(),
            started_us: taken.started_us,
            time_us: self.after_previous(&place, previous, taken.time_us),
            instance_time_us,
            // The collector's clock was set anew since it stopped; the instance's went on.
            since_previous_us: here.or_else(|| since_by_instance(previous?, instance_time_us)),
        };
        let Taken { frame, guard: guards, duration, ended, .. } = taken;
        let took = Took { at: &at, duration, ended };
        let guards = guard.zip(guards.as_ref()).map(|(plan, (before, after))| (&plan.set.definition, before, after));
        if let Some((definition, _, after)) = guards {
            let place = Place { set: definition.name.clone(), ..place.clone() };
            self.store(place, definition, after.clone(), None, took, None, baselines, cycle)?;
        }
        let guard = guards.map(|(definition, before, after)| Guard { definition, before, after });
        self.store(place, &set.definition, frame, guard, took, Some(plan), baselines, cycle)
    }

    /// A time after that of the previous reading, where that one was read by this clock.
    fn after_previous(&self, place: &Place, previous: Option<&Baseline>, time_us: i64) -> i64 {
        let read_here = |previous: &&Baseline| self.read_at.get(place).is_some_and(|(at, _)| *at == previous.time_us);
        previous.filter(read_here).map_or(time_us, |previous| time_us.max(previous.time_us.saturating_add(1)))
    }

    /// How long ago the previous reading was. The monotonic clock speaks only between two readings of this process.
    fn since_previous_us(&self, place: &Place, previous: Option<&Baseline>, ended: Instant) -> Option<u64> {
        let (_, before) =
            self.read_at.get(place).filter(|(time_us, _)| previous.is_some_and(|p| p.time_us == *time_us))?;
        Some(micros(ended.duration_since(*before)))
    }

    /// Reads texts as the bytes that they are, from a SQL_ASCII database.
    async fn read_raw_texts(
        &mut self,
        raw: &Extension,
        identity: &Identity,
        place: &Place,
        figures: Option<(&catalog::Definition, &Baseline)>,
        known: Option<&Baseline>,
    ) -> Result<Option<texts::Read>, ReadError> {
        let catalog = Arc::clone(&self.catalog);
        let known_here = Known { identity, grants: self.grants.as_ref(), extension: Some(raw) };
        let plans = coverage::plan(&catalog, known_here, |_, _| true);
        let shape = |reason: String| ReadError::Shape { column: String::new(), reason };
        let plan = plans.iter().find(|plan| plan.set.name() == place.set);
        let plan = plan.ok_or_else(|| shape(format!("{} is not planned", place.set)))?;
        let session = self.connector.connect(&raw.database).await.map_err(|error| {
            self.discovery.forget_raw();
            shape(format!("cannot be read from {}: {error}", raw.database))
        })?;
        self.texts.retry();
        let read = self.texts.read(&session, plan, place, &identity.incarnation, figures, known, &self.clock).await;
        self.beside.own.marked(&place.set, session.take_marked());
        read
    }

    /// Forms increments and puts them into the cycle.
    #[expect(clippy::too_many_arguments, reason = "one reading with all that belongs to it")]
    fn store(
        &mut self,
        place: Place,
        definition: &catalog::Definition,
        frame: Frame,
        guard: Option<Guard<'_>>,
        Took { at, duration, ended }: Took<'_>,
        plan: Option<&Plan<'_>>,
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) -> Result<(), ReadError> {
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
        let mut cuts = Vec::new();
        if let Some(plan) = plan {
            for place in &plan.unmeasured {
                rows.columns[*place] = None;
            }
            if let Some(limit) = &plan.set.limit {
                rows = limits::moved_only(plan.set, rows);
                if let Some(most) = self.row_limits.get(&limit.setting) {
                    (rows, cuts) = limits::cut(plan.set, limit, rows, *most);
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
    fn failed(&self, set: &str, error: String, started_us: i64) -> Reading {
        let definition = self.catalog.get(set).map(|set| set.definition.hash().0.to_vec()).unwrap_or_default();
        let time_us = self.clock.now_us();
        Reading { set: set.to_owned(), definition, started_us, time_us, error: Some(error), ..Reading::default() }
    }

    /// Puts the states of all sets into the cycle when they changed, or it is time to repeat them.
    fn report_states(&mut self, plans: &[Plan<'_>], beside: Vec<SetState>, cycle: &mut Cycle) {
        let mut states = Vec::new();
        for plan in plans {
            let failure = self.failures.get(plan.set.name()).filter(|_| plan.sql.is_some());
            let missed = self.texts.not_captured();
            let missed =
                (missed > 0 && plan.sql.is_some() && plan.set.definition.kind() == SetKind::Texts).then(|| {
                    let message = format!("{missed} statements were gone before their text was read.");
                    coverage::state(plan.set, "", State::Degraded, StateCode::Failed, message, String::new())
                });
            let instead = failure.cloned().or(missed);
            let skip = usize::from(instead.is_some());
            states.extend(instead);
            states.extend(plan.states.iter().skip(skip).cloned());
        }
        states.extend(beside);
        let known = self.states.as_ref().is_some_and(|(sent, at)| *sent == states && at.elapsed() < REPEAT_EVERY);
        if !known {
            self.states = Some((states.clone(), Instant::now()));
            cycle.instance.states = states;
        }
    }
}

/// The state of a set that was not read: how, the kind of reason, the reason, and what mends it.
fn why_not_read(set: &Set, error: &ReadError, known: Known<'_>) -> (State, StateCode, String, String) {
    match error {
        ReadError::Denied { error, fix } => {
            let fix = if fix.is_empty() { coverage::grant(set, known) } else { fix.clone() };
            (State::Missing, StateCode::Privilege, describe(error), fix)
        }
        _ => (State::Error, StateCode::Failed, error.to_string(), String::new()),
    }
}

/// Reads a set, between two readings of its guard; once more when the guard moved meanwhile.
async fn take(
    session: &Session,
    plan: &Plan<'_>,
    guard: Option<&Plan<'_>>,
    expected: usize,
    clock: &Clock,
) -> Result<Taken, ReadError> {
    let sql = plan.sql.as_deref().unwrap_or_default();
    let Some((guard, guard_sql)) = guard.and_then(|guard| Some((guard, guard.sql.as_deref()?))) else {
        return timed(session, plan.set, sql, expected, clock).await;
    };
    let mut repeated = false;
    loop {
        let before = read::frame(session, &guard.set.definition, guard_sql, 1).await?;
        let mut taken = timed(session, plan.set, sql, expected, clock).await?;
        let after = read::frame(session, &guard.set.definition, guard_sql, 1).await?;
        if before == after || repeated {
            taken.guard = Some((before, after));
            return Ok(taken);
        }
        repeated = true;
    }
}

async fn timed(session: &Session, set: &Set, sql: &str, expected: usize, clock: &Clock) -> Result<Taken, ReadError> {
    let (started, started_us) = (Instant::now(), clock.now_us());
    let frame = read::frame(session, &set.definition, sql, expected).await?;
    let ended = Instant::now();
    let duration = ended.duration_since(started);
    Ok(Taken { frame, guard: None, started_us, time_us: clock.now_us(), duration, ended })
}

/// Rows whose key is hidden would be counted as new ones as soon as it is shown again.
fn refuse_hidden_rows(set: &Set, frame: &Frame) -> Result<(), ReadError> {
    if set.without_grant() != WithoutGrant::Set {
        return Ok(());
    }
    for (place, meta) in set.definition.columns.iter().enumerate() {
        let hidden = frame.column(place).is_some_and(|column| column.nulls.any());
        if meta.kind == Kind::Label && meta.needs_grant && hidden {
            let reason = "is hidden from the collector's role".to_owned();
            return Err(ReadError::Shape { column: meta.name.clone(), reason });
        }
    }
    Ok(())
}

/// How long ago a reading of an earlier process was, by the instance's clock; `None` where that went back.
fn since_by_instance(previous: &Baseline, instance_time_us: i64) -> Option<u64> {
    u64::try_from(instance_time_us.saturating_sub(previous.instance_time_us)).ok().filter(|since| *since > 0)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What makes texts of any encoding readable. A cluster of ICU has no SQL_ASCII unless it is told that libc will do.
fn make_raw(version_num: u32) -> String {
    let locale =
        if version_num < 150_000 { "lc_collate 'C' lc_ctype 'C'" } else { "locale_provider 'libc' locale 'C'" };
    format!(
        "create database pganalytics_texts encoding 'SQL_ASCII' {locale} template template0; \
         -- then, connected to it: create extension pg_stat_statements; -- costs some 8 MB: the database stays empty"
    )
}
