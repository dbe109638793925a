//! What can be read of an instance, what cannot, why, and what mends it. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(crate) use catalog::identifier;
use catalog::{Availability, Catalog, Role, Scope, Set, Version, WithoutGrant, literal};
use wire::{SetState, State, StateCode};

use crate::custom;
use crate::helpers::Helpers;
use crate::identity::Identity;

/// The version 1.x of `pg_stat_statements` that comes with PostgreSQL, by `server_version_num`.
const BUNDLED: [(u32, u32); 10] = [
    (90_400, 2),
    (90_500, 3),
    (90_600, 4),
    (100_000, 6),
    (120_000, 7),
    (130_000, 8),
    (140_000, 9),
    (150_000, 10),
    (170_000, 11),
    (180_000, 12),
];

/// What is said of a set that is not read because nobody wants it.
pub const SWITCHED_OFF: &str = "Switched off in the collector's configuration.";

/// What the collector's role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The role.
    pub role: String,
    /// The predefined roles whose rights it has.
    pub member_of: BTreeSet<String>,
    /// What helps it where there are no such roles.
    pub helpers: Helpers,
}

/// An extension that was found in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The database.
    pub database: String,
    /// Its version there.
    pub version: Version,
    /// Its schema, quoted.
    pub schema: String,
    /// What gives the collector's role the rights to it that it lacks; empty where it lacks none.
    pub fix: String,
}

/// One set and how it is read on one instance.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The set.
    pub set: &'a Set,
    /// How.
    pub way: Arc<Way>,
}

impl std::ops::Deref for Plan<'_> {
    type Target = Way;

    fn deref(&self) -> &Way {
        &self.way
    }
}

/// How a set is read on one instance.
#[derive(Clone, Debug)]
pub struct Way {
    /// The statement; `None` where the set cannot be read here.
    pub sql: Option<String>,
    /// Columns whose value would read 0 and is not measured.
    pub unmeasured: Vec<usize>,
    /// The state of the set and of columns that are not whole. The first is the set's.
    pub states: Vec<SetState>,
}

/// What is known of an instance when the plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Who it is.
    pub identity: &'a Identity,
    /// What the collector's role may do; `None` while it could not be asked.
    pub grants: Option<&'a Grants>,
    /// Where `pg_stat_statements` was found.
    pub extension: Option<&'a Extension>,
}

/// Plans every set that is read from an instance or its databases. `enabled` is asked for set and group.
pub fn plan<'a>(catalog: &'a Catalog, known: Known<'_>, enabled: impl Fn(&str, &str) -> bool) -> Vec<Plan<'a>> {
    let way = |set: &Set| Arc::new(way_of(set, known, enabled(set.name(), &set.group)));
    planned(catalog).map(|set| Plan { set, way: way(set) }).collect()
}

/// Plans that are made anew only when something changed that they are made from.
#[derive(Debug, Default)]
pub struct Plans {
    made: Option<Made>,
}

#[derive(Debug)]
struct Made {
    from: From,
    ways: Vec<Arc<Way>>,
    beside: Vec<Vec<SetState>>,
}

/// All that plans are made from, besides the catalogue and the configuration, which never change.
#[derive(Debug, PartialEq)]
struct From {
    version_num: u32,
    standby: bool,
    settings: HashMap<String, String>,
    grants: Option<Grants>,
    extension: Option<Extension>,
}

impl From {
    fn is(&self, known: Known<'_>) -> bool {
        (self.version_num, self.standby) == (known.identity.version_num, known.identity.standby)
            && self.settings == known.identity.settings
            && self.grants.as_ref() == known.grants
            && self.extension.as_ref() == known.extension
    }

    fn of(known: Known<'_>) -> Self {
        Self {
            version_num: known.identity.version_num,
            standby: known.identity.standby,
            settings: known.identity.settings.clone(),
            grants: known.grants.cloned(),
            extension: known.extension.cloned(),
        }
    }
}

impl Plans {
    /// As [`plan`]; always asked for the same catalogue, and by the same `enabled`.
    pub fn plan<'a>(
        &mut self,
        catalog: &'a Catalog,
        known: Known<'_>,
        enabled: impl Fn(&str, &str) -> bool,
    ) -> Vec<Plan<'a>> {
        let made = match self.made.take().filter(|made| made.from.is(known)) {
            Some(made) => made,
            None => Made {
                from: From::of(known),
                ways: plan(catalog, known, enabled).into_iter().map(|plan| plan.way).collect(),
                beside: beside(catalog).map(|set| readable(set, known)).collect(),
            },
        };
        let plans = planned(catalog).zip(&made.ways).map(|(set, way)| Plan { set, way: Arc::clone(way) }).collect();
        self.made = Some(made);
        plans
    }

    /// The sets that are read without SQL, with their states; none before something was planned.
    pub fn beside<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = (&'a Set, &'a [SetState])> {
        let states = self.made.iter().flat_map(|made| &made.beside);
        beside(catalog).zip(states.map(Vec::as_slice))
    }
}

/// The sets that are read by SQL, in the order of the catalogue.
fn planned(catalog: &Catalog) -> impl Iterator<Item = &Set> {
    catalog.sets().filter(|set| matches!(set.definition.scope, Scope::Instance | Scope::Database))
}

/// Those of the host, of a pooler, and of the collector.
fn beside(catalog: &Catalog) -> impl Iterator<Item = &Set> {
    catalog.sets().filter(|set| matches!(set.definition.scope, Scope::Host | Scope::Pooler | Scope::Collector))
}

/// The states of a set that is read without SQL: its own, and those of columns that are not whole.
#[must_use]
pub fn readable(set: &Set, known: Known<'_>) -> Vec<SetState> {
    let version = Version::of_server(known.identity.version_num);
    let columns = set.definition.columns.iter().filter_map(|column| column_state(set, column, version, known));
    std::iter::once(whole(set, known)).chain(columns.map(|(state, _)| state)).collect()
}

fn way_of(set: &Set, known: Known<'_>, enabled: bool) -> Way {
    match statement(set, known, enabled) {
        Err(state) => Way { sql: None, unmeasured: Vec::new(), states: vec![state] },
        Ok((sql, version)) => {
            let mut columns = Vec::new();
            let mut unmeasured = Vec::new();
            for (place, column) in set.definition.columns.iter().enumerate() {
                if let Some((state, hidden)) = column_state(set, column, version, known) {
                    columns.push(state);
                    if hidden {
                        unmeasured.push(place);
                    }
                }
            }
            let mut states = vec![whole(set, known)];
            states.append(&mut columns);
            Way { sql: Some(sql), unmeasured, states }
        }
    }
}

/// The statement for the instance, and the version that it serves.
fn statement(set: &Set, known: Known<'_>, enabled: bool) -> Result<(String, Version), SetState> {
    let missing = |code, message: String, fix: String| state(set, "", State::Missing, code, message, fix);
    if !enabled {
        return Err(missing(StateCode::Disabled, SWITCHED_OFF.into(), String::new()));
    }
    let standby = known.identity.standby;
    if set.role == Role::Primary && standby || set.role == Role::Standby && !standby {
        let message = format!("Known on a {} only.", set.role);
        return Err(missing(StateCode::Role, message, String::new()));
    }
    let server = Version::of_server(known.identity.version_num);
    let (version, product, schema) = match (&set.extension, known.extension) {
        (None, _) => (server, "PostgreSQL", None),
        (Some(name), Some(extension)) if is_preloaded(name, known.identity) == Some(false) => {
            let message = format!(
                "{name} is created in the database {} and not loaded: it must be in shared_preload_libraries, and \
                 PostgreSQL restarted.",
                extension.database
            );
            return Err(missing(StateCode::Extension, message, preload(name, known.identity, "restart")));
        }
        (Some(name), Some(extension)) if !extension.fix.is_empty() => {
            let message = format!("The collector's role may not use {name} in the database {}.", extension.database);
            let fix = format!("{} -- in the database {}", extension.fix, extension.database);
            return Err(missing(StateCode::Privilege, message, fix));
        }
        (Some(name), Some(extension)) => (extension.version, name.as_str(), Some(&extension.schema)),
        (Some(name), None) => {
            let (message, fix) = extension_missing(name, known.identity);
            return Err(missing(StateCode::Extension, message, fix));
        }
    };
    // Whether functions may be executed is asked in the database that is read.
    if set.without_grant() == WithoutGrant::Set && lacks_grant(set, known) {
        let message = "The collector's role may not read it.".to_owned();
        return Err(missing(StateCode::Privilege, message, grant(set, known)));
    }
    match set.sql_for(version) {
        Availability::Sql(sql) => {
            let sql = schema.map_or_else(|| sql.to_owned(), |schema| sql.replace("{extension}", schema));
            let sql = match known.grants {
                Some(grants) => grants.helpers.through(&sql),
                None => sql,
            };
            let sql = if set.is_users() { custom::bounded(&sql) } else { sql };
            Ok((sql, version))
        }
        Availability::Needs(lowest) => {
            let fix = update(set, lowest, known);
            Err(missing(StateCode::Version, format!("Needs {product} {lowest}; here is {version}."), fix))
        }
    }
}

fn extension_missing(name: &str, identity: &Identity) -> (String, String) {
    if is_preloaded(name, identity) == Some(false) {
        let message =
            format!("{name} is not loaded: it must be in shared_preload_libraries, and PostgreSQL restarted.");
        (message, preload(name, identity, &format!("restart, and: create extension {name};")))
    } else {
        let message = format!("The extension {name} is in none of the databases that the collector may connect to.");
        let statement = format!("create extension {name}");
        (message, proposal(&statement, &format!("{statement};")))
    }
}

/// The libraries that PostgreSQL was started with, each by itself; `None` where the role may not see them.
fn preloaded(identity: &Identity) -> Option<impl Iterator<Item = &str>> {
    let list = identity.settings.get("shared_preload_libraries")?;
    Some(list.split(',').map(|one| one.trim().trim_matches('"')).filter(|one| !one.is_empty()))
}

/// Whether a library was; one may stand there with its directory.
fn is_preloaded(name: &str, identity: &Identity) -> Option<bool> {
    Some(preloaded(identity)?.any(|one| one.rsplit('/').next() == Some(name)))
}

/// What adds a library to those that are there, and what is to be done then.
fn preload(name: &str, identity: &Identity, then: &str) -> String {
    // A text with a comma in it would be taken for one name.
    let list: Vec<String> = preloaded(identity).into_iter().flatten().chain([name]).map(literal).collect();
    let statement = format!("alter system set shared_preload_libraries = {}; -- {then}", list.join(", "));
    proposal("shared_preload_libraries", &statement)
}

fn whole(set: &Set, known: Known<'_>) -> SetState {
    if set.without_grant() != WithoutGrant::Nothing && lacks_grant(set, known) {
        let message = "The collector's role sees only a part of it.".to_owned();
        state(set, "", State::Degraded, StateCode::Privilege, message, grant(set, known))
    } else {
        state(set, "", State::Works, StateCode::None, String::new(), String::new())
    }
}

/// Why a column is not whole, and whether its values must not be stored as they read.
fn column_state(set: &Set, column: &catalog::Column, version: Version, known: Known<'_>) -> Option<(SetState, bool)> {
    let missing = |code, message: String, fix: String| state(set, &column.name, State::Missing, code, message, fix);
    if let Some(since) = column.since.filter(|since| *since > version) {
        let product = set.extension.as_deref().unwrap_or("PostgreSQL");
        let fix = update(set, since, known);
        return Some((missing(StateCode::Version, format!("Needs {product} {since}; here is {version}."), fix), true));
    }
    let standby = known.identity.standby;
    if column.role.is_some_and(|role| role == Role::Primary && standby || role == Role::Standby && !standby) {
        let role = column.role.unwrap_or_default();
        return Some((missing(StateCode::Role, format!("Known on a {role} only."), String::new()), true));
    }
    if let Some(setting) = &column.requires_setting {
        let value = known.identity.settings.get(setting).map_or("", String::as_str);
        if ["off", "none", "0", ""].contains(&value) {
            return Some((missing(StateCode::Setting, format!("{setting} is off."), switch_on(setting)), true));
        }
    }
    if column.needs_grant && lacks_grant(set, known) {
        let message = "Hidden from the collector's role.".to_owned();
        return Some((missing(StateCode::Privilege, message, grant(set, known)), false));
    }
    None
}

/// What brings an extension to a version, where the server has that version.
fn update(set: &Set, needed: Version, known: Known<'_>) -> String {
    let newest =
        BUNDLED.iter().rev().find(|(server, _)| known.identity.version_num >= *server).map(|(_, minor)| *minor);
    match (&set.extension, newest) {
        (Some(name), Some(minor)) if needed.major == 1 && needed.minor <= minor => {
            let statement = format!("alter extension {name} update");
            proposal(&statement, &format!("{statement};"))
        }
        _ => String::new(),
    }
}

fn switch_on(setting: &str) -> String {
    let statement = match setting {
        // Not a setting that can be set: checksums are enabled in a stopped cluster.
        "data_checksums" => "-- stop PostgreSQL, then: pg_checksums --enable".to_owned(),
        "track_functions" => "alter system set track_functions = 'pl'; select pg_reload_conf();".to_owned(),
        _ => format!("alter system set {setting} = on; select pg_reload_conf();"),
    };
    proposal(setting, &statement)
}

/// What mends something, with what that costs the instance as its comment.
fn proposal(what: &str, statement: &str) -> String {
    catalog::cost(what).map_or_else(|| statement.to_owned(), |cost| format!("{statement} -- {cost}"))
}

fn lacks_grant(set: &Set, known: Known<'_>) -> bool {
    match (&set.member_of, known.grants) {
        (Some(_), Some(grants)) if grants.helpers.instead_of_grants() => {
            let sql = match set.sql_for(Version::of_server(known.identity.version_num)) {
                // What an extension shows to whom is known where it was found.
                _ if set.extension.is_some() => "",
                Availability::Sql(sql) => sql,
                // Read without SQL, by what a setting says.
                Availability::Needs(_) => "pg_catalog.pg_settings",
            };
            !grants.helpers.lacks(sql).is_empty()
        }
        (Some(role), Some(grants)) => !grants.member_of.contains(role),
        _ => false,
    }
}

/// The statement that gives the collector's role what a set needs.
pub(crate) fn grant(set: &Set, known: Known<'_>) -> String {
    if let Some(grants) = known.grants.filter(|grants| grants.helpers.instead_of_grants()) {
        return grants.helpers.script();
    }
    let role = known.grants.map_or("pganalytics", |grants| grants.role.as_str());
    let grant = set.grant.as_ref();
    grant.map(|grant| proposal(grant, &format!("{};", grant.replace("{role}", &identifier(role))))).unwrap_or_default()
}

/// A state as it travels.
#[must_use]
pub fn state(set: &Set, column: &str, how: State, code: StateCode, message: String, fix: String) -> SetState {
    SetState {
        set: set.name().to_owned(),
        column: column.to_owned(),
        state: how as i32,
        code: code as i32,
        message,
        fix,
    }
}
