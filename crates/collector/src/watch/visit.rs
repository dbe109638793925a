//! Reads the sets of scope `database`, one database at a time.
//!
//! Each visit is a cycle of its own with one record in the spool, so that the sets of the instance are
//! not held up. A database that cannot be read is an error of its readings and a part of the state of
//! its sets, and the round goes on. Connections are opened, used and closed one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use catalog::Set;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use wire::{Frame, FrameColumn, State, StateCode};

use super::sweep::{Database, Odd, Trouble, Visit};
use super::{Baselines, Cycle, Took, Watch, why_not_read};
use crate::baseline::ReadingTime;
use crate::connect::{ConnectError, Session};
use crate::coverage::{self, Known};
use crate::identity::Identity;
use crate::listing::{self, Listed};
use crate::read::{self, ReadError, signed};

/// The pause after the instance could not be asked, or allows no further connection.
const HOLD: Duration = Duration::from_secs(5);
/// How long a visit may hold up the sets of the instance; what is left then is read at the next one.
const VISIT_WITHIN: Duration = Duration::from_secs(8);
/// The pause after a database that is gone, which is asked for again when the cycle was not spooled.
const BURIAL: Duration = Duration::from_secs(1);

impl Watch {
    /// When the next database is to be read; `None` when no set asks for it.
    #[must_use]
    pub fn next_database(&self) -> Option<Instant> {
        self.sweep.next()
    }

    /// Reads what is due in the next database; `None` when nothing was to be read yet.
    pub async fn read_database(&mut self, baselines: &Baselines) -> Option<Cycle> {
        // Else a visit that does not get to disk would tell again what the instance's own cycle told.
        self.beside.own.begin();
        if self.sweep.must_list(Instant::now()) {
            if let Err(error) = self.list_databases().await {
                let error = format!("{error:#}");
                tracing::warn!(instance.name = %self.config.name, error, "no list of databases");
                self.sweep.hold(Instant::now() + HOLD);
                self.sweep.not_listed(error);
                self.say_of_databases();
                return None;
            }
            if let Some(cycle) = self.bury(baselines) {
                return Some(cycle);
            }
        }
        let visit = self.sweep.take(Instant::now())?;
        let mut cycle = Cycle { datid: Some(visit.database.datid), ..Cycle::default() };
        cycle.instance.name.clone_from(&self.config.name);
        let outcome = if visit.database.open {
            self.visit_open(&visit, baselines, &mut cycle).await
        } else {
            match self.connector.connect(&visit.database.name).await {
                Ok(session) => self.visit(&session, &visit, baselines, &mut cycle).await,
                Err(ConnectError::BackingOff { wait, .. }) => {
                    self.sweep.put_back(&visit, Instant::now() + wait);
                    return None;
                }
                Err(ConnectError::Exhausted) => {
                    self.sweep.put_back(&visit, Instant::now() + HOLD);
                    return None;
                }
                Err(error) => {
                    if error.is_about_database() {
                        self.sweep.refused(&visit.database, Instant::now());
                    }
                    Err(error.to_string())
                }
            }
        };
        if outcome.is_ok() {
            self.sweep.answered(&visit.database);
        }
        if let Err(error) = outcome {
            let name = &visit.database.name;
            tracing::warn!(instance.name = %self.config.name, database.name = name, error, "cannot read a database");
            // It may have another name now, or be gone.
            self.sweep.list_again();
            for set in &visit.sets {
                cycle.readings.push(self.failed(set, error.clone(), self.clock.now_us()));
                self.trouble(set, &visit.database, State::Error, StateCode::Failed, error.clone(), String::new());
            }
        }
        self.beside.own.count(&mut cycle.readings);
        for reading in &mut cycle.readings {
            reading.datid = cycle.datid;
            for flag in &mut reading.flags {
                of_database(flag, visit.database.datid);
            }
        }
        (!cycle.readings.is_empty()).then_some(cycle)
    }

    /// Reads all sets in as many databases as may be connected to at once, whatever is due.
    pub async fn read_databases(&mut self, baselines: &Baselines) -> Vec<Cycle> {
        self.sweep.again();
        let mut cycles = Vec::new();
        while self.next_database().is_some_and(|next| next <= Instant::now()) {
            cycles.extend(self.read_database(baselines).await);
        }
        cycles
    }

    async fn list_databases(&mut self) -> anyhow::Result<()> {
        self.identify().await?;
        let Some((main, _)) = &self.main else { anyhow::bail!("no connection") };
        let listed = tokio::time::timeout(read::limit(), listing::databases(main)).await;
        let listed = listed.unwrap_or(Err(ReadError::Silent))?;
        let wanted = listed.into_iter().map(|listed| {
            let may = listed.may && self.config.selects(&listed.name);
            Database {
                readable: may && listed.odd.is_none(),
                odd: odd(&listed).filter(|_| self.config.selects(&listed.name)),
                datid: listed.datid,
                name: listed.name,
                open: listed.open,
                transactions: listed.transactions,
                moved: 0,
            }
        });
        self.sweep.list(wanted.collect(), Instant::now());
        self.say_of_databases();
        Ok(())
    }

    /// Says of the sets of databases what the list of them says.
    fn say_of_databases(&mut self) {
        let catalog = Arc::clone(&self.catalog);
        let sets: Vec<&Set> = self.sweep.sets().filter_map(|name| catalog.get(name)).collect();
        for set in sets {
            match self.sweep.say(set) {
                Some(state) => drop(self.failures.insert(set.name().to_owned(), state)),
                None => drop(self.failures.remove(set.name())),
            }
        }
    }

    /// A last, empty reading of the sets of a database that is gone: its infos end there.
    fn bury(&mut self, baselines: &Baselines) -> Option<Cycle> {
        let own = || baselines.iter().filter(|(place, _)| place.instance == self.config.name);
        let mut held = own().filter(|(_, baseline)| baseline.frame.rows > 0).filter_map(|(place, _)| place.datid);
        let datid = held.find(|datid| self.sweep.is_gone(*datid))?;
        let places: Vec<_> = own().filter(|(place, _)| place.datid == Some(datid)).collect();
        // There may be more of them.
        self.sweep.list_again();
        self.sweep.hold(Instant::now() + BURIAL);
        let mut cycle = Cycle { datid: Some(datid), ..Cycle::default() };
        cycle.instance.name.clone_from(&self.config.name);
        let catalog = Arc::clone(&self.catalog);
        for (place, baseline) in places {
            let Some(set) = catalog.get(&place.set) else { continue };
            let columns = set.definition.columns.iter().zip(&baseline.frame.columns);
            let columns = columns.map(|(meta, column)| column.as_ref().map(|_| FrameColumn::new(meta.column_type)));
            let time_us = self.after_previous(place, Some(baseline), self.clock.now_us());
            let frame = Frame { rows: 0, columns: columns.collect() };
            let at = ReadingTime {
                incarnation: baseline.incarnation.clone(),
                started_us: time_us,
                time_us,
                instance_time_us: baseline.instance_time_us,
                since_previous_us: None,
            };
            let place = place.clone();
            let took = Took { at: &at, duration: Duration::ZERO, ended: std::time::Instant::now() };
            let kept = self.store(place, &set.definition, frame, None, took, None, baselines, &mut cycle);
            if let Err(error) = kept {
                tracing::warn!(set.name = set.name(), %error, "the end of a database was not noted");
            }
        }
        (!cycle.readings.is_empty()).then_some(cycle)
    }

    async fn visit_open(&mut self, visit: &Visit, baselines: &Baselines, cycle: &mut Cycle) -> Result<(), String> {
        self.identify().await.map_err(|error| format!("{error:#}"))?;
        let Some((main, database)) = self.main.take() else { return Err("no connection".to_owned()) };
        let outcome = self.visit(&main, visit, baselines, cycle).await;
        if !main.client.is_closed() {
            self.main = Some((main, database));
        }
        outcome
    }

    /// Reads what is due over a connection to the database; the error is about all of it.
    async fn visit(
        &mut self,
        session: &Session,
        visit: &Visit,
        baselines: &Baselines,
        cycle: &mut Cycle,
    ) -> Result<(), String> {
        let catalog = Arc::clone(&self.catalog);
        let sets: Vec<&Set> = visit.sets.iter().filter_map(|name| catalog.get(name)).collect();
        let functions: Vec<&str> = sets.iter().flat_map(|set| &set.executes).map(String::as_str).collect();
        let arrival = async {
            let arrived = arrive(session, &functions).await?;
            Ok((arrived, Identity::read(session, &self.settings).await?.seen_at(self.clock.now_us())))
        };
        let arrival = tokio::time::timeout(read::limit(), arrival).await.unwrap_or(Err(ReadError::Silent));
        let ((datid, executes), identity) = arrival.map_err(|error| error.to_string())?;
        if datid != visit.database.datid {
            return Err("another database has its name now".to_owned());
        }
        let known = Known { identity: &identity, grants: Some(&identity.grants), extension: None };
        let plans = coverage::plan(&catalog, known, |set, group| self.config.enabled(set, group));
        let begun = Instant::now();
        for (nth, set) in sets.iter().enumerate() {
            if begun.elapsed() > VISIT_WITHIN {
                self.sweep.put_off(visit, sets[nth..].iter().map(|set| set.name()));
                break;
            }
            let plan = plans.iter().find(|plan| plan.set.name() == set.name() && plan.sql.is_some());
            let Some(plan) = plan else { continue };
            if !set.executes.iter().all(|function| executes.contains(function)) {
                let message = "the collector's role may not execute a function that it needs".to_owned();
                let fix = coverage::grant(set, known);
                self.trouble(set.name(), &visit.database, State::Missing, StateCode::Privilege, message, fix);
                continue;
            }
            let started_us = self.clock.now_us();
            let outcome = self.read_set(session, &identity, plan, None, baselines, cycle).await;
            match outcome {
                Ok(()) => self.no_trouble(set, &visit.database),
                Err(error) => {
                    if error.is_broken() || session.client.is_closed() {
                        return self.broken(visit, set, &error, cycle);
                    }
                    let database = visit.database.name.as_str();
                    tracing::warn!(instance.name = %self.config.name, database.name = database, set.name = set.name(), %error, "a set was not read");
                    let (how, code, message, fix) = why_not_read(set, &error, known);
                    self.trouble(set.name(), &visit.database, how, code, message, fix);
                    cycle.readings.push(self.failed(set.name(), error.to_string(), started_us));
                }
            }
        }
        Ok(())
    }

    /// The connection ended: this set and those that were not read yet have failed.
    fn broken(&mut self, visit: &Visit, set: &Set, error: &ReadError, cycle: &mut Cycle) -> Result<(), String> {
        let rest = visit.sets.iter().skip_while(|name| *name != set.name());
        let already = cycle.readings.is_empty();
        if already {
            return Err(error.to_string());
        }
        for name in rest {
            cycle.readings.push(self.failed(name, error.to_string(), self.clock.now_us()));
            self.trouble(name, &visit.database, State::Error, StateCode::Failed, error.to_string(), String::new());
        }
        self.sweep.list_again();
        Ok(())
    }

    fn trouble(&mut self, set: &str, database: &Database, how: State, code: StateCode, message: String, fix: String) {
        let trouble = Trouble { database: database.name.clone(), how, code, message, fix, inside: true };
        self.note(set, database, Some(trouble));
    }

    fn no_trouble(&mut self, set: &Set, database: &Database) {
        self.note(set.name(), database, None);
    }

    fn note(&mut self, set: &str, database: &Database, trouble: Option<Trouble>) {
        let catalog = Arc::clone(&self.catalog);
        let Some(set) = catalog.get(set) else { return };
        match self.sweep.outcome(set, database, trouble) {
            Some(state) => drop(self.failures.insert(set.name().to_owned(), state)),
            None => drop(self.failures.remove(set.name())),
        }
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
    let row = session
        .told(session.client.query_typed_one(
            &signed(
                "select (select d.oid::pg_catalog.int8 from pg_catalog.pg_database d
                         where d.datname = pg_catalog.current_database()) as datid,
                        array(select f.name from pg_catalog.unnest($1::pg_catalog.text[]) as f (name)
                              where pg_catalog.has_function_privilege(pg_catalog.to_regprocedure(f.name), 'execute'))
                            as executes",
            ),
            &[(&functions, Type::TEXT_ARRAY)],
        ))
        .await?;
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
