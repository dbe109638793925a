//! The sets that are read once per instance, over the open connection; those of an extension that is installed in
//! another database over a second one, which is opened for them and closed at once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Definition, Scope, Set, SetKind};
use wire::{SetState, State, StateCode};

use super::complaints::About;
use super::recorder::Recorder;
use super::sampler::Sampler;
use super::server::Server;
use super::source::{At, Source};
use super::statement::{SETTINGS, read_set, why_not_read};
use crate::baseline::{Baseline, Place};
use crate::connect::Session;
use crate::coverage::{self, Extension, Known, Plan, Plans, Way};
use crate::identity::Identity;
use crate::own::IDENTITY;
use crate::read::ReadError;
use crate::texts;

/// What is remembered for these sets between cycles.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) texts: texts::Pace,
    pub(super) plans: Plans,
    pub(super) sampler: Sampler,
    /// Who answered in this cycle, with what can be read of it.
    pub(super) answered: Option<Answered>,
}

/// Who answered, and how its sets are read.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) identity: Identity,
    ways: Vec<Arc<Way>>,
}

impl Source for Instance {
    const SCOPE: Scope = Scope::Instance;
    type Due = [String];
    type Error = String;

    async fn read(&mut self, due: &[String], at: &mut At<'_>) -> Result<(), String> {
        self.answered = None;
        let catalog = Arc::clone(&at.recorder.catalog);
        let due = Recorder::of_scope(&catalog, due, Self::SCOPE);
        let began = std::time::Instant::now();
        let identified = at.server.identify(&at.recorder.clock).await;
        self.sampler.answered();
        let identity = match identified {
            Ok(identity) => identity,
            Err(error) => {
                let error = format!("{error:#}");
                if at.recorder.complaints.is_news(About::Instance, &error) {
                    tracing::warn!(instance.name = at.recorder.name(), error, "the instance cannot be read");
                }
                for set in due {
                    if self.sampler.tell_rest(set, at).is_some_and(|told| told.is_ok()) {
                        continue;
                    }
                    let failed = at.recorder.failed(set.name(), error.clone(), at.recorder.clock.now_us());
                    at.cycle.readings.push(failed);
                }
                return Err(error);
            }
        };
        if at.recorder.complaints.is_over(|| About::Instance) {
            tracing::info!(instance.name = at.recorder.name(), "the instance is read again");
        }
        at.recorder.own.identified(began.elapsed());
        at.recorder.budget.note(IDENTITY, None, began.elapsed());
        // What was not looked for is not missing: without that, its sets would be told so until one of them is due.
        if due.iter().any(|set| set.extension.is_some()) || !at.server.discovery.has_looked() {
            let instance = &at.recorder.instance;
            at.server.find_extension(|name| instance.selects(name)).await;
        }
        let extension = at.server.discovery.found().cloned();
        at.cycle.instance.attributes = Some(at.server.attributes(&identity, extension.as_ref()));
        let grants = at.server.grants.clone();
        let known = Known { identity: &identity, grants: grants.as_ref(), extension: extension.as_ref() };
        let mut plans = self.plans.plan(&catalog, known, |set, group| at.recorder.instance.enabled(set, group));
        if let Some(unread) = at.server.discovery.unread() {
            let missing = |state: &SetState| state.code == StateCode::Extension as i32;
            for plan in plans.iter_mut().filter(|plan| plan.states.iter().any(missing)) {
                for state in Arc::make_mut(&mut plan.way).states.iter_mut().filter(|state| missing(state)) {
                    state.message = format!("{} {unread}", state.message);
                }
            }
        }
        self.sampler.follow(&plans, &identity, at.recorder);
        let is_due = |plan: &&Plan<'_>| {
            let name = plan.set.name();
            plan.sql.is_some() && due.iter().any(|set| set.name() == name) && !at.recorder.rests(name, None)
        };
        let has_here = at.server.has_here(extension.as_ref());
        let (elsewhere, here): (Vec<&Plan<'_>>, Vec<&Plan<'_>>) =
            plans.iter().filter(is_due).partition(|plan| plan.set.extension.is_some() && !has_here);
        self.read_here(&identity, &here, &plans, at).await;
        if let Some(extension) = extension.as_ref().filter(|_| !elsewhere.is_empty()) {
            self.read_elsewhere(&extension.database, &elsewhere, &plans, at).await;
        }
        let ways = plans.into_iter().map(|plan| plan.way).collect();
        self.answered = Some(Answered { identity, ways });
        Ok(())
    }
}

impl Instance {
    /// Reads over the open connection.
    async fn read_here(&mut self, identity: &Identity, here: &[&Plan<'_>], plans: &[Plan<'_>], at: &mut At<'_>) {
        let (settings, here): (Vec<&Plan<'_>>, Vec<&Plan<'_>>) =
            here.iter().partition(|plan| plan.set.name() == SETTINGS);
        let Some((main, database)) = at.server.main.take() else { return };
        // Where the other session cannot be had, what this one was told is not known of the instance.
        let other = if settings.is_empty() { None } else { at.server.connector.connect_plainly(&database).await.ok() };
        self.read_sets(other.as_ref().unwrap_or(&main), identity, &settings, plans, at).await;
        if let Some(other) = other {
            other.commit().await;
        }
        self.read_sets(&main, identity, &here, plans, at).await;
        if main.is_usable() {
            at.server.main = Some((main, database));
        }
    }

    /// Reads the sets of the extension in the database that has it.
    async fn read_elsewhere(&mut self, database: &str, elsewhere: &[&Plan<'_>], plans: &[Plan<'_>], at: &mut At<'_>) {
        let error = match at.server.connector.connect(database).await {
            Err(error) => {
                // An instance that hangs or refuses for now has the extension where it was.
                if error.is_about_database() {
                    at.server.discovery.forget();
                }
                error.to_string()
            }
            // This connection may have met another incarnation than the open one.
            Ok(session) => match at.server.meet(&session, database).await {
                Err(error) => error.to_string(),
                // The extension was updated or moved: the statements were planned for another version.
                Ok(None) => return,
                Ok(Some(identity)) => return self.read_sets(&session, &identity, elsewhere, plans, at).await,
            },
        };
        if at.recorder.complaints.is_news(About::Database(database.to_owned()), &error) {
            tracing::warn!(
                instance.name = at.recorder.name(),
                database.name = database,
                error,
                "cannot read a database"
            );
        }
        for plan in elsewhere {
            let failed = at.recorder.failed(plan.set.name(), error.clone(), at.recorder.clock.now_us());
            at.cycle.readings.push(failed);
        }
    }

    async fn read_sets(
        &mut self,
        session: &Session,
        identity: &Identity,
        due: &[&Plan<'_>],
        plans: &[Plan<'_>],
        at: &mut At<'_>,
    ) {
        for (nth, plan) in due.iter().enumerate() {
            let guard = plan.set.guard.as_ref().and_then(|name| plans.iter().find(|plan| plan.set.name() == name));
            let started_us = at.recorder.clock.now_us();
            let outcome = if plan.set.definition.kind() == SetKind::Texts {
                self.read_texts(session, identity, plan, at).await
            } else if plan.set.sample.is_some() {
                self.sampler.read(session, plan.set, at).await
            } else {
                read_set(session, identity, plan, guard, at).await
            };
            let Err(error) = outcome else {
                at.recorder.say(plan.set, None);
                continue;
            };
            say_failure(plan.set, &error, identity, at);
            at.cycle.readings.push(at.recorder.failed(plan.set.name(), error.to_string(), started_us));
            if plan.set.extension.is_some() && error.is_about_objects() {
                at.server.discovery.forget();
            }
            if error.is_broken() || !session.is_usable() {
                for plan in &due[nth + 1..] {
                    at.cycle.readings.push(at.recorder.failed(plan.set.name(), error.to_string(), started_us));
                }
                break;
            }
        }
    }

    /// Reads the texts that are not known yet of the statements whose figures were read.
    async fn read_texts(
        &mut self,
        session: &Session,
        identity: &Identity,
        plan: &Plan<'_>,
        at: &mut At<'_>,
    ) -> Result<(), ReadError> {
        // What is left of the cycle's own questions.
        session.take_marked();
        let place = at.recorder.place(plan.set.name(), at.cycle.datid);
        let figures = Place { set: texts::STATEMENTS.to_owned(), ..place.clone() };
        let read = at.cycle.next.iter().find(|(place, _)| *place == figures).map(|(_, next)| next);
        let figures = read.or_else(|| at.baselines.get(&figures).map(AsRef::as_ref));
        let catalog = Arc::clone(&at.recorder.catalog);
        let figures = catalog.get(texts::STATEMENTS).map(|set| &set.definition).zip(figures);
        let known = at.baselines.get(&place).map(AsRef::as_ref);
        let (life, clock) = (&identity.incarnation, &at.recorder.clock);
        let mut read = self.texts.read(session, plan, &place, life, figures, known, clock).await;
        if read.as_ref().is_err_and(ReadError::is_encoding)
            && let Some(raw) = at.server.discovery.raw(&at.server.connector, session).await
        {
            let life = (identity, figures, known);
            read = self.read_raw(&raw, &catalog, &place, life, at.server, at.recorder).await;
        }
        at.recorder.own.marked(plan.set.name(), session.take_marked());
        let Some(read) = read? else {
            at.recorder.budget.spared(plan.set.name());
            return Ok(());
        };
        at.recorder.budget.note(plan.set.name(), None, Duration::from_micros(read.reading.duration_us));
        at.cycle.readings.push(read.reading);
        at.cycle.advances.push(read.advance);
        at.cycle.next.push((place, read.next));
        Ok(())
    }

    /// Reads texts as the bytes that they are, from a SQL_ASCII database.
    async fn read_raw(
        &mut self,
        raw: &Extension,
        catalog: &Catalog,
        place: &Place,
        (identity, figures, known): (&Identity, Option<(&Definition, &Baseline)>, Option<&Baseline>),
        server: &mut Server,
        recorder: &mut Recorder,
    ) -> Result<Option<texts::Read>, ReadError> {
        let shape = |reason: String| ReadError::Shape { column: String::new(), reason };
        let knows = Known { identity, grants: server.grants.as_ref(), extension: Some(raw) };
        let plans = coverage::plan(catalog, knows, |_, _| true);
        let plan = plans.iter().find(|plan| plan.set.name() == place.set);
        let plan = plan.ok_or_else(|| shape(format!("{} is not planned", place.set)))?;
        let session = server.connector.connect(&raw.database).await.map_err(|error| {
            server.discovery.forget_raw();
            shape(format!("cannot be read from {}: {error}", raw.database))
        })?;
        self.texts.retry();
        let life = &identity.incarnation;
        let read = self.texts.read(&session, plan, place, life, figures, known, &recorder.clock).await;
        recorder.own.marked(&place.set, session.take_marked());
        read
    }

    /// What is to be said of the sets that were planned.
    pub(super) fn states<'a>(
        &'a self,
        answered: &'a Answered,
        recorder: &'a Recorder,
    ) -> impl Iterator<Item = Cow<'a, SetState>> {
        answered.ways.iter().flat_map(move |way| {
            let instead = way.states.first().and_then(|whole| self.instead(way, whole, recorder));
            let skip = usize::from(instead.is_some());
            instead.into_iter().chain(way.states.iter().skip(skip).map(Cow::Borrowed))
        })
    }

    /// What is to be said of a set that can be read by its plan, and was not as it should be.
    fn instead<'a>(&self, way: &Way, whole: &SetState, recorder: &'a Recorder) -> Option<Cow<'a, SetState>> {
        way.sql.as_ref()?;
        if let Some(failure) = recorder.failures.get(&whole.set) {
            return Some(Cow::Borrowed(failure));
        }
        let set = recorder.catalog.get(&whole.set)?;
        let missed = self.texts.not_captured();
        if missed > 0 && set.definition.kind() == SetKind::Texts {
            let message = format!("{missed} statements were gone before their text was read.");
            let state = coverage::state(set, "", State::Degraded, StateCode::Failed, message, String::new());
            return Some(Cow::Owned(state));
        }
        let slowed = recorder.slowed(set).filter(|_| whole.state == State::Works as i32);
        slowed.map(Cow::Owned)
    }
}

/// Says of a set why it was not read.
fn say_failure(set: &Set, error: &ReadError, identity: &Identity, at: &mut At<'_>) {
    at.recorder.complain(set, None, &error.to_string());
    let (how, code, message, fix) = if error.is_encoding() {
        let message = format!(
            "Some statements are not UTF-8, and texts can then be read from a SQL_ASCII database with \
             pg_stat_statements only, of which there is none; figures are complete. {error}"
        );
        (State::Degraded, StateCode::Failed, message, make_raw(identity.version_num))
    } else {
        why_not_read(set, error, Known { identity, grants: at.server.grants.as_ref(), extension: None })
    };
    at.recorder.say(set, Some(coverage::state(set, "", how, code, message, fix)));
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
