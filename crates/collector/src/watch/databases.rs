//! Reads the sets of scope `database`, one database at a time.
//!
//! Each visit is a cycle of its own with one record in the spool, so that the sets of the instance are
//! not held up. A database that cannot be read is an error of its readings and a part of the state of
//! its sets, and the round goes on. Connections are opened, used and closed one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Scope, Set};
use tokio::time::Instant;
use tokio_postgres::types::Type;
use wire::{Frame, FrameColumn, State, StateCode};

use super::complaints::About;
use super::recorder::{Interval, Recorder, Taken, Took};
use super::server::Server;
use super::source::{At, Source};
use super::statement::{read_set, why_not_read};
use super::sweep::{Database, Odd, Sweep, Trouble, Visit};
use super::{Baselines, Cycle};
use crate::baseline::ReadingTime;
use crate::connect::{ConnectError, Session};
use crate::coverage::{self, Known, Plans};
use crate::helpers;
use crate::listing::{self, Listed};
use crate::read::{self, ReadError, signed};

/// The pause after the instance could not be asked, or allows no further connection.
const HOLD: Duration = Duration::from_secs(5);
/// How long a visit may hold up the sets of the instance; what is left then is read at the next one.
const VISIT_WITHIN: Duration = Duration::from_secs(8);
/// The pause after a database that is gone, which is asked for again when the cycle was not spooled.
const BURIAL: Duration = Duration::from_secs(1);

/// What is remembered of the databases between their visits.
#[derive(Debug)]
pub(super) struct Databases {
    sweep: Sweep,
    plans: Plans,
    /// The visit that is under way.
    under_way: Option<Visit>,
}

impl Source for Databases {
    const SCOPE: Scope = Scope::Database;
    type Due = Visit;
    type Error = Unvisited;

    async fn read(&mut self, visit: &Visit, at: &mut At<'_>) -> Result<(), Unvisited> {
        let outcome = if visit.database.open {
            self.visit_open(visit, at).await
        } else {
            match at.server.connector.connect(&visit.database.name).await {
                Ok(session) => self.visit(&session, visit, at).await,
                Err(error @ ConnectError::BackingOff { wait, .. }) => {
                    return Err(Unvisited { pause: wait, why: error.to_string() });
                }
                Err(error @ ConnectError::Exhausted) => {
                    return Err(Unvisited { pause: HOLD, why: error.to_string() });
                }
                Err(error) => {
                    if error.is_about_database() {
                        self.sweep.refused(&visit.database, Instant::now());
                    }
                    Err(error.to_string())
                }
            }
        };
        let Err(error) = outcome else {
            self.sweep.answered(&visit.database);
            let name = &visit.database.name;
            if at.recorder.complaints.is_over(|| About::Database(name.clone())) {
                tracing::info!(instance.name = at.recorder.name(), database.name = name, "the database is read again");
            }
            return Ok(());
        };
        let name = &visit.database.name;
        if at.recorder.complaints.is_news(About::Database(name.clone()), &error) {
            tracing::warn!(instance.name = at.recorder.name(), database.name = name, error, "cannot read a database");
        }
        // It may have another name now, or be gone.
        self.sweep.list_again();
        for set in &visit.sets {
            at.cycle.readings.push(at.recorder.failed(set, error.clone(), at.recorder.clock.now_us()));
            self.trouble(set, &visit.database, why(&error), at.recorder);
        }
        Ok(())
    }
}

/// No connection could be asked for now: the visit is made later.
pub(super) struct Unvisited {
    pause: Duration,
    why: String,
}

/// Why a set was not read, and what mends it.
type Why = (State, StateCode, String, String);

fn why(error: &str) -> Why {
    (State::Error, StateCode::Failed, error.to_owned(), String::new())
}

impl Databases {
    /// For sets and their intervals in seconds.
    pub(super) fn new(sets: Vec<(String, u32)>) -> Self {
        Self { sweep: Sweep::new(sets), plans: Plans::default(), under_way: None }
    }

    /// Goes on from the databases as they were read until now.
    pub(super) fn go_on(&mut self, before: Self, is_as_before: impl Fn(&str) -> bool) {
        self.sweep = std::mem::take(&mut self.sweep).going_on(before.sweep, is_as_before);
    }

    /// What was being read was not: it is due again.
    pub(super) fn interrupted(&mut self) {
        if let Some(visit) = self.under_way.take() {
            self.sweep.put_back(&visit, Instant::now(), None);
        }
    }

    /// When the next database is to be read; `None` when no set asks for it.
    pub(super) fn next(&self) -> Option<Instant> {
        self.sweep.next()
    }

    /// Why databases are not read, by their oids, as far as that is not what became of a visit. Without one it is the time.
    pub(super) fn unread(&self) -> Vec<(i64, Option<String>)> {
        self.sweep.unread()
    }

    /// Makes everything due at once, as if nothing had been read yet.
    pub(super) fn again(&mut self) {
        self.sweep.again();
    }

    /// Makes some sets due at once in every database.
    pub(super) fn hasten(&mut self, is_one: impl Fn(&str) -> bool) {
        self.sweep.hasten(is_one);
    }

    /// Reads sets so many times rarer than at their intervals.
    pub(super) fn slow(&mut self, factor: impl Fn(&str) -> u32) {
        self.sweep.slow(factor, Instant::now());
    }

    /// Whether a pattern that is a whole name is that of no database; known only once they are listed.
    pub(super) fn is_unknown(&self, pattern: &str) -> bool {
        self.sweep.is_unknown(pattern)
    }

    /// Reads what is due in the next database; `None` when nothing was to be read yet.
    pub(super) async fn read_next(
        &mut self,
        server: &mut Server,
        recorder: &mut Recorder,
        baselines: &Baselines,
    ) -> Option<Cycle> {
        // Else a visit that does not get to disk would tell again what the instance's own cycle told.
        recorder.own.begin();
        if self.sweep.must_list(Instant::now()) {
            if let Err(error) = self.list(server, recorder).await {
                let error = format!("{error:#}");
                if recorder.complaints.is_news(About::Databases, &error) {
                    tracing::warn!(instance.name = recorder.name(), error, "no list of databases");
                }
                self.sweep.hold(Instant::now() + HOLD);
                self.sweep.not_listed(error);
                self.say(recorder);
                return None;
            }
            if let Some(cycle) = self.bury(recorder, baselines) {
                return Some(cycle);
            }
        }
        let visit = self.sweep.take(Instant::now())?;
        let mut cycle = recorder.cycle(Some(visit.database.datid));
        let mut at = At { server, recorder, baselines, cycle: &mut cycle };
        self.under_way = Some(visit.clone());
        let visited = Box::pin(self.read(&visit, &mut at)).await;
        self.under_way = None;
        if let Err(Unvisited { pause, why }) = visited {
            self.sweep.put_back(&visit, Instant::now() + pause, Some(why));
            return None;
        }
        recorder.own.count(&mut cycle.readings);
        for reading in &mut cycle.readings {
            reading.datid = cycle.datid;
            for flag in &mut reading.flags {
                of_database(flag, visit.database.datid);
            }
        }
        (!cycle.readings.is_empty()).then_some(cycle)
    }

    async fn list(&mut self, server: &mut Server, recorder: &mut Recorder) -> anyhow::Result<()> {
        server.identify(&recorder.clock).await?;
        let Some((main, _)) = &server.main else { anyhow::bail!("no connection") };
        let listed = main.within(read::limit(), listing::databases(main)).await?;
        let wanted = listed.into_iter().map(|listed| {
            let selected = recorder.instance.selects(&listed.name);
            Database {
                readable: listed.may && selected && listed.odd.is_none(),
                odd: odd(&listed).filter(|_| selected),
                left_out: !selected,
                datid: listed.datid,
                name: listed.name,
                open: listed.open,
                transactions: listed.transactions,
                moved: 0,
            }
        });
        self.sweep.list(wanted.collect(), Instant::now());
        recorder.complaints.is_over(|| About::Databases);
        recorder.budget.retain_databases(|datid| !self.sweep.is_gone(datid));
        self.say(recorder);
        Ok(())
    }

    /// Says of the sets of databases what the list of them says.
    fn say(&self, recorder: &mut Recorder) {
        let catalog = Arc::clone(&recorder.catalog);
        for set in self.sweep.sets().filter_map(|name| catalog.get(name)) {
            recorder.say(set, self.sweep.say(set));
        }
    }

    /// A last, empty reading of the sets of a database that is gone: its infos end there.
    fn bury(&mut self, recorder: &mut Recorder, baselines: &Baselines) -> Option<Cycle> {
        let name = recorder.name().to_owned();
        let own = || baselines.iter().filter(|(place, _)| place.instance == name);
        let mut held = own().filter(|(_, baseline)| baseline.frame.rows > 0).filter_map(|(place, _)| place.datid);
        let datid = held.find(|datid| self.sweep.is_gone(*datid))?;
        // There may be more of them.
        self.sweep.list_again();
        self.sweep.hold(Instant::now() + BURIAL);
        let mut cycle = recorder.cycle(Some(datid));
        let catalog = Arc::clone(&recorder.catalog);
        for (place, baseline) in own().filter(|(place, _)| place.datid == Some(datid)) {
            let Some(set) = catalog.get(&place.set) else { continue };
            let columns = set.definition.columns.iter().zip(&baseline.frame.columns);
            let columns = columns.map(|(meta, column)| column.as_ref().map(|_| FrameColumn::new(meta.column_type)));
            let time_us = recorder.after_previous(place, Some(baseline), recorder.clock.now_us());
            let frame = Frame { rows: 0, columns: columns.collect() };
            let at = ReadingTime {
                incarnation: baseline.incarnation.clone(),
                started_us: time_us,
                time_us,
                instance_time_us: baseline.instance_time_us,
                since_previous_us: None,
            };
            let took = Took { at: &at, duration: Duration::ZERO, ended: std::time::Instant::now() };
            let (place, definition) = (place.clone(), &set.definition);
            let interval = Interval::SincePrevious;
            let taken = Taken { place, definition, frame, guard: None, took, interval, plan: None };
            let gone = taken.place.clone();
            if let Err(error) = recorder.record(taken, baselines, &mut cycle) {
                tracing::warn!(set.name = set.name(), %error, "the end of a database was not noted");
            }
            recorder.latest.forget(&gone);
        }
        (!cycle.readings.is_empty()).then_some(cycle)
    }

    async fn visit_open(&mut self, visit: &Visit, at: &mut At<'_>) -> Result<(), String> {
        at.server.identify(&at.recorder.clock).await.map_err(|error| format!("{error:#}"))?;
        let Some((main, database)) = at.server.main.take() else { return Err("no connection".to_owned()) };
        let outcome = self.visit(&main, visit, at).await;
        if main.is_usable() {
            at.server.main = Some((main, database));
        }
        outcome
    }

    /// Reads what is due over a connection to the database; the error is about all of it.
    async fn visit(&mut self, session: &Session, visit: &Visit, at: &mut At<'_>) -> Result<(), String> {
        let catalog = Arc::clone(&at.recorder.catalog);
        let sets: Vec<&Set> = visit.sets.iter().filter_map(|name| catalog.get(name)).collect();
        let functions: Vec<&str> = sets.iter().flat_map(|set| &set.executes).map(String::as_str).collect();
        let arrival = async {
            let arrived = arrive(session, &functions).await?;
            Ok((arrived, at.server.identity(session).await?.seen_at(at.recorder.clock.now_us())))
        };
        let arrival = session.within(read::limit(), arrival).await;
        let ((datid, executes), identity) = arrival.map_err(|error| error.to_string())?;
        if datid != visit.database.datid {
            return Err("another database has its name now".to_owned());
        }
        let known = Known { identity: &identity, grants: Some(&identity.grants), extension: None };
        let plans = self.plans.plan(&catalog, known, |set, group| at.recorder.instance.enabled(set, group));
        let begun = Instant::now();
        for (nth, set) in sets.iter().enumerate() {
            if begun.elapsed() > VISIT_WITHIN {
                self.sweep.put_off(visit, sets[nth..].iter().map(|set| set.name()));
                break;
            }
            let plan = plans.iter().find(|plan| plan.set.name() == set.name() && plan.sql.is_some());
            let Some(plan) = plan.filter(|_| !at.recorder.rests(set.name(), at.cycle.datid)) else { continue };
            let helpers = &identity.grants.helpers;
            let may = if set.executes.is_empty() {
                Ok(())
            } else if identity.version_num < helpers::NEEDED_BEFORE {
                let lacks = plan.sql.as_deref().is_some_and(|sql| !helpers.lacks(sql).is_empty());
                if lacks { Err(helpers.script()) } else { Ok(()) }
            } else if set.executes.iter().all(|function| executes.contains(function)) {
                Ok(())
            } else {
                Err(coverage::grant(set, known))
            };
            if let Err(fix) = may {
                let message = "the collector's role may not execute a function that it needs".to_owned();
                let why = (State::Missing, StateCode::Privilege, message, fix);
                self.trouble(set.name(), &visit.database, why, at.recorder);
                continue;
            }
            let started_us = at.recorder.clock.now_us();
            let Err(error) = read_set(session, &identity, plan, None, at).await else {
                let name = &visit.database.name;
                let about = || About::Set(set.name().to_owned(), Some(name.clone()));
                if at.recorder.complaints.is_over(about) {
                    let instance = at.recorder.name();
                    tracing::info!(
                        instance.name = instance,
                        database.name = name,
                        set.name = set.name(),
                        "the set is read again"
                    );
                }
                self.note(set.name(), &visit.database, None, at.recorder);
                continue;
            };
            if error.is_broken() || !session.is_usable() {
                return self.broken(visit, set, &error, at);
            }
            at.recorder.complain(set, Some(&visit.database.name), &error.to_string());
            self.trouble(set.name(), &visit.database, why_not_read(set, &error, known), at.recorder);
            at.cycle.readings.push(at.recorder.failed(set.name(), error.to_string(), started_us));
        }
        Ok(())
    }

    /// The connection ended: this set and those that were not read yet have failed.
    fn broken(&mut self, visit: &Visit, set: &Set, error: &ReadError, at: &mut At<'_>) -> Result<(), String> {
        if at.cycle.readings.is_empty() {
            return Err(error.to_string());
        }
        for name in visit.sets.iter().skip_while(|name| *name != set.name()) {
            at.cycle.readings.push(at.recorder.failed(name, error.to_string(), at.recorder.clock.now_us()));
            self.trouble(name, &visit.database, why(&error.to_string()), at.recorder);
        }
        self.sweep.list_again();
        Ok(())
    }

    fn trouble(&mut self, set: &str, database: &Database, why: Why, recorder: &mut Recorder) {
        let (how, code, message, fix) = why;
        let trouble = Trouble { database: database.name.clone(), how, code, message, fix, inside: true };
        self.note(set, database, Some(trouble), recorder);
    }

    fn note(&mut self, set: &str, database: &Database, trouble: Option<Trouble>, recorder: &mut Recorder) {
        let catalog = Arc::clone(&recorder.catalog);
        let Some(set) = catalog.get(set) else { return };
        recorder.say(set, self.sweep.outcome(set, database, trouble));
    }
}

/// Why a database that is open to connections is not read.
fn odd(listed: &Listed) -> Option<Odd> {
    if let Some(fix) = &listed.admission {
        let message = "the collector's role may not connect to it; exclude_databases would leave it out".to_owned();
        return Some(Odd { code: StateCode::Privilege, message, fix: fix.clone() });
    }
    let message = listed.odd.clone().filter(|_| listed.may)?;
    Some(Odd { code: StateCode::Failed, message, fix: listing::rename(listed.datid) })
}

/// Names the database in the keys of a flag, whose labels are those of one database; a flag without
/// keys is about all of it.
fn of_database(flag: &mut wire::Flag, datid: i64) {
    if flag.entries.is_empty() {
        flag.entries.push(format!("{{\"datid\":{datid}}}"));
        flag.entries_total = flag.entries_total.max(1);
        return;
    }
    for entry in &mut flag.entries {
        if let Some(labels) = entry.strip_prefix('{') {
            *entry = format!("{{\"datid\":{datid},{labels}");
        }
    }
}

/// The database that a connection goes to, and which of the functions its role may execute there.
async fn arrive(session: &Session, functions: &[&str]) -> Result<(i64, BTreeSet<String>), ReadError> {
    // Before, a function takes its caller for a superuser or not, whatever is granted.
    let may = if session.is_before(helpers::NEEDED_BEFORE) {
        "false"
    } else {
        "pg_catalog.has_function_privilege(pg_catalog.to_regprocedure(f.name), 'execute')"
    };
    let sql = signed(&format!(
        "select (select d.oid::pg_catalog.int8 from pg_catalog.pg_database d
                 where d.datname = pg_catalog.current_database()) as datid,
                array(select f.name from pg_catalog.unnest($1::pg_catalog.text[]) as f (name) where {may}) as executes",
    ));
    let functions = [(&functions as _, Type::TEXT_ARRAY)];
    let row = session.told(session.client.query_typed_one(&sql, &functions)).await?;
    let executes = session.texts(&row, "executes")?;
    Ok((row.try_get("datid")?, executes.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use super::of_database;

    #[test]
    fn flags_name_the_database() {
        let mut flag = wire::Flag { entries: vec!["{\"relid\":7}".to_owned()], ..wire::Flag::default() };
        of_database(&mut flag, 5);
        assert_eq!(flag.entries, ["{\"datid\":5,\"relid\":7}"]);
        let mut whole = wire::Flag::default();
        of_database(&mut whole, 5);
        assert_eq!((whole.entries.as_slice(), whole.entries_total), (["{\"datid\":5}".to_owned()].as_slice(), 1));
    }
}
