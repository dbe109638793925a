//! What a report says, before it is a text: the one shape that all formats render, and that JSON has as it is.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use wire::{FlagReason, State, StateCode};

use crate::finding::{self, Figure, Finding, Severity, Value};
use crate::look::{Look, Row, Second};
use crate::rules::RULES;

/// The version of this shape. Fields may be added within a version; what is there keeps its meaning.
pub const FORMAT: u32 = 1;
/// The most statements of a list.
const STATEMENTS: usize = 10;

/// A report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program.
    pub program: String,
    /// Who was looked at.
    pub instance: Instance,
    /// When.
    pub readings: When,
    /// How many findings of each severity, rules that found nothing, and rules that could not be judged.
    pub summary: Summary,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What was counted over the interval, of the whole instance; empty without two readings.
    pub activity: Vec<Figure>,
    /// The costliest statements.
    pub statements: Statements,
    /// Each database, and whether it was read.
    pub databases: Vec<Database>,
    /// Rules that found nothing, by name.
    pub fine: Vec<&'static str>,
    /// Rules that could not be judged, or not in whole.
    pub not_judged: Vec<NotJudged>,
    /// What could not be read.
    pub not_readable: Vec<NotReadable>,
    /// What could be read besides, for a price that PostgreSQL does not ask for by default.
    pub hints: Vec<NotReadable>,
}

/// Who was looked at.
#[derive(Debug, Serialize)]
pub struct Instance {
    /// Host or socket directory.
    pub host: String,
    /// Port.
    pub port: u32,
    /// `primary` or `standby`.
    pub role: String,
    /// `server_version`.
    pub version: String,
    /// `server_version_num`.
    pub version_num: u32,
    /// What is known of the minor version.
    pub version_note: &'static str,
    /// The cluster's.
    pub system_identifier: String,
    /// Its timeline.
    pub timeline: Option<u32>,
    /// When the postmaster started.
    pub started_at: Option<Timestamp>,
    /// `max_connections`.
    pub max_connections: Option<u32>,
    /// Its clock minus that of who looked, in seconds.
    pub clock_offset_seconds: Option<f64>,
    /// The role that looked.
    pub read_as: String,
    /// The version of `pg_stat_statements`.
    pub pg_stat_statements: Option<String>,
}

/// When it was read.
#[derive(Debug, Serialize)]
pub struct When {
    /// The first reading's end.
    pub first_at: Timestamp,
    /// The last reading's end.
    pub last_at: Timestamp,
    /// The seconds between two readings of statistics; null without two.
    pub seconds: Option<f64>,
    /// What limits what can be said.
    pub notes: Vec<String>,
}

/// Counts.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Critical findings.
    pub critical: usize,
    /// Warnings.
    pub warning: usize,
    /// Notices.
    pub notice: usize,
    /// Rules that found nothing.
    pub fine: usize,
    /// Rules that could not be judged.
    pub not_judged: usize,
}

/// The costliest statements.
#[derive(Debug, Serialize)]
pub struct Statements {
    /// Of the interval, without those that the report itself asked.
    pub interval: Vec<Statement>,
    /// The share of all statements' time in the interval that the report's own took, and those of a collector.
    pub monitoring_share: Option<f64>,
    /// Since the reset of the statistics.
    pub since_reset: Vec<Statement>,
    /// When that was, as far as it is known.
    pub reset_at: Option<Timestamp>,
    /// Why there are none.
    pub reason: Option<String>,
}

/// A statement.
#[derive(Debug, Serialize)]
pub struct Statement {
    /// Its queryid, as text: JSON has no such numbers.
    pub queryid: String,
    /// The database.
    pub database: String,
    /// The role.
    pub role: String,
    /// Times it was executed.
    pub calls: i64,
    /// Seconds that took in all.
    pub seconds: f64,
    /// Its share of all statements' time.
    pub share: f64,
    /// Milliseconds for one on average.
    pub mean_ms: f64,
    /// Rows.
    pub rows: i64,
    /// Blocks that were not in shared_buffers.
    pub blocks_read: i64,
    /// Blocks of temporary files written.
    pub temp_blocks_written: i64,
    /// The statement without its literals; null where it is not known.
    pub text: Option<String>,
}

/// A database.
#[derive(Debug, Serialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Whether its relations were read.
    pub read: bool,
    /// Whether it is a template, which nobody reads.
    pub template: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// A rule that could not be judged.
#[derive(Debug, Serialize)]
pub struct NotJudged {
    /// The rule.
    pub id: &'static str,
    /// What it looks for.
    pub title: &'static str,
    /// Why.
    pub reason: String,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
pub struct NotReadable {
    /// The sets, and their columns.
    pub sets: Vec<Part>,
    /// `privilege`, `extension`, `setting`, `version`, `failed`, `machine` or `role`.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
    /// What mends it.
    pub fix: Option<String>,
}

/// A set, or some of its columns.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The set.
    pub set: String,
    /// The columns; none for all of the set.
    pub columns: Vec<String>,
}

impl Report {
    /// Of what was read.
    #[must_use]
    pub fn of(look: &Look<'_>, program: &str) -> Self {
        let readings = look.readings();
        let (mut findings, mut fine, mut not_judged) = (Vec::new(), Vec::new(), Vec::new());
        for rule in RULES {
            let outcome = finding::apply(rule, look);
            if outcome.findings.is_empty() && outcome.unknown.is_empty() && !outcome.is_beside {
                fine.push(rule.id);
            }
            findings.extend(outcome.findings);
            let unknown = outcome.unknown.into_iter();
            not_judged.extend(unknown.map(|reason| NotJudged { id: rule.id, title: rule.title, reason }));
        }
        // Of equal ones the rules' order stays.
        findings.sort_by_key(|finding| finding.severity);
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let mut unjudged: Vec<&str> = not_judged.iter().map(|one| one.id).collect();
        unjudged.dedup();
        let summary = Summary {
            critical: count(Severity::Critical),
            warning: count(Severity::Warning),
            notice: count(Severity::Notice),
            fine: fine.len(),
            not_judged: unjudged.len(),
        };
        let attributes = &readings.attributes;
        let instance = Instance {
            host: attributes.host.clone(),
            port: attributes.port,
            role: attributes.role.clone(),
            version: attributes.version.clone(),
            version_num: attributes.version_num,
            version_note: "whether there is a newer minor release, postgresql.org knows",
            system_identifier: attributes.system_identifier.clone(),
            timeline: attributes.timeline,
            started_at: Timestamp::from_microsecond(attributes.postmaster_start_us).ok(),
            max_connections: attributes.max_connections,
            clock_offset_seconds: attributes.clock_offset_us.map(|us| us as f64 / 1e6),
            read_as: readings.role.clone(),
            pg_stat_statements: attributes.statements_version.clone(),
        };
        Self {
            format: FORMAT,
            program: program.to_owned(),
            instance,
            readings: when(look),
            summary,
            findings,
            activity: crate::activity::activity(look),
            statements: statements(look),
            databases: databases(look),
            fine,
            not_judged,
            not_readable: readable(&readings.states),
            hints: readable(&readings.hints),
        }
    }

    /// Whether somebody has to do something: a critical finding or a warning.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        self.summary.critical + self.summary.warning > 0
    }
}

fn when(look: &Look<'_>) -> When {
    let readings = look.readings();
    let mut notes = Vec::new();
    match &readings.second {
        Second::Done => {}
        Second::NotAsked => {
            notes.push("There was one reading only: what was done per second is not known.".to_owned());
        }
        Second::Failed(error) => notes.push(format!(
            "The second reading failed, and the report is of the first one; what was done per second is not known: {error}."
        )),
    }
    let has = |reason: FlagReason| {
        let flags = readings.moved.values().flat_map(|(.., flags)| flags);
        flags.filter(|flag| flag.reason == reason as i32).count() > 0
    };
    for (reason, note) in [
        (FlagReason::Restart, "PostgreSQL was restarted between the readings: figures of the interval are too small."),
        (FlagReason::CrashRestart, "PostgreSQL crashed and recovered between the readings: its statistics began anew."),
        (
            FlagReason::Replaced,
            "Another instance answered at the second reading: there are no figures of the interval.",
        ),
        (FlagReason::Reset, "Statistics were reset between the readings: figures of the interval are too small."),
        (
            FlagReason::Evicted,
            "pg_stat_statements evicted statements between the readings: pg_stat_statements.max is low.",
        ),
    ] {
        if has(reason) {
            notes.push(note.to_owned());
        }
    }
    notes.extend(readings.mistakes.iter().map(|mistake| format!("{mistake}.")));
    let interval = readings.moved.get(&("pg_stat_database".to_owned(), None)).map(|(us, ..)| *us as f64 / 1e6);
    When { first_at: readings.first_at, last_at: readings.last_at, seconds: interval, notes }
}

fn statements(look: &Look<'_>) -> Statements {
    const SET: &str = "pg_stat_statements";
    let mut texts: HashMap<(i64, i64), &str> = HashMap::new();
    for row in look.texts() {
        if let (Some(dbid), Some(queryid), Some(text)) = (row.int("dbid"), row.int("queryid"), row.text("query")) {
            texts.insert((dbid, queryid), text);
        }
    }
    let key = |row: &Row<'_>| (row.int("dbid").unwrap_or(0), row.int("queryid").unwrap_or(0));
    let is_monitoring = |row: &Row<'_>| texts.get(&key(row)).is_some_and(|text| text.contains(catalog::SIGNATURE));
    let list = |rows: Vec<Row<'_>>| -> (Vec<Statement>, Option<f64>) {
        // Nested ones are counted in those that call them.
        let mut rows: Vec<(i64, Row<'_>)> = rows
            .into_iter()
            .filter(|row| row.flag("toplevel") != Some(false))
            .filter_map(|row| Some((row.int("total_exec_time").filter(|time| *time > 0)?, row)))
            .collect();
        rows.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        let total: i64 = rows.iter().map(|(time, _)| time).sum();
        let share = |time: i64| time as f64 / total.max(1) as f64;
        let own = rows.iter().filter(|(_, row)| is_monitoring(row)).map(|(time, _)| time).sum();
        rows.retain(|(_, row)| !is_monitoring(row));
        let of = |(time, row): &(i64, Row<'_>)| {
            let count = |column: &str| row.int(column).unwrap_or(0);
            let (calls, key) = (count("calls"), key(row));
            Statement {
                queryid: key.1.to_string(),
                database: look.database(key.0),
                role: look.role(count("userid")),
                calls,
                seconds: *time as f64 / 1e6,
                share: share(*time),
                mean_ms: *time as f64 / 1e3 / calls.max(1) as f64,
                rows: count("rows"),
                blocks_read: count("shared_blks_read"),
                temp_blocks_written: count("temp_blks_written"),
                text: texts.get(&key).map(|text| (*text).to_owned()),
            }
        };
        (rows.iter().take(STATEMENTS).map(of).collect(), (total > 0).then(|| share(own)))
    };
    let reset = look.row("pg_stat_statements_info").and_then(|row| row.int("stats_reset"));
    let reason = (!look.was_read(SET)).then(|| look.why_not(SET).0);
    let (interval, monitoring_share) = list(look.moved(SET));
    let reset_at = reset.and_then(|us| Timestamp::from_microsecond(us).ok());
    Statements { interval, monitoring_share, since_reset: list(look.rows(SET)).0, reset_at, reason }
}

fn databases(look: &Look<'_>) -> Vec<Database> {
    let readings = look.readings();
    let mut all = Vec::new();
    for row in look.rows("pg_database") {
        let Some(datid) = row.int("datid") else { continue };
        let read = readings.frames.contains_key(&("pg_class".to_owned(), Some(datid)));
        let failure = readings.failures.iter().find(|((_, of), _)| *of == Some(datid)).map(|(_, error)| error);
        let reason = if read {
            None
        } else if row.yes("is_template") {
            Some("a template".to_owned())
        } else if row.flag("datallowconn") == Some(false) || matches!(row.int("datconnlimit"), Some(0 | -2)) {
            Some("it takes no connections".to_owned())
        } else {
            let unread = || readings.unread.get(&datid).cloned();
            // One that is not listed was made since.
            let unlisted = || "it was not there when databases were listed".to_owned();
            Some(failure.cloned().or_else(unread).unwrap_or_else(unlisted))
        };
        all.push(Database { name: look.database(datid), read, template: row.yes("is_template"), reason });
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn readable(states: &[wire::SetState]) -> Vec<NotReadable> {
    let mut all: Vec<NotReadable> = Vec::new();
    for state in states.iter().filter(|state| state.state != State::Works as i32) {
        let fix = (!state.fix.is_empty()).then(|| state.fix.clone());
        let same = |one: &NotReadable| one.kind == kind(state.code) && one.reason == state.message && one.fix == fix;
        let place = all.iter().position(same).unwrap_or_else(|| {
            let reason = state.message.clone();
            all.push(NotReadable { sets: Vec::new(), kind: kind(state.code), reason, fix: fix.clone() });
            all.len() - 1
        });
        let sets = &mut all[place].sets;
        if sets.last().is_none_or(|last| last.set != state.set) {
            sets.push(Part { set: state.set.clone(), columns: Vec::new() });
        }
        if let Some(part) = sets.last_mut().filter(|_| !state.column.is_empty()) {
            part.columns.push(state.column.clone());
        }
    }
    all
}

fn kind(code: i32) -> &'static str {
    match StateCode::try_from(code) {
        Ok(StateCode::Setting) => "setting",
        Ok(StateCode::Version) => "version",
        Ok(StateCode::Privilege) => "privilege",
        Ok(StateCode::Role) => "role",
        Ok(StateCode::Extension) => "extension",
        Ok(StateCode::Machine) => "machine",
        Ok(StateCode::Budget) => "budget",
        Ok(StateCode::Approval) => "approval",
        Ok(StateCode::Disabled) => "disabled",
        Ok(StateCode::Failed | StateCode::None) | Err(_) => "failed",
    }
}

/// A figure by its name.
pub(crate) fn figure(name: &str, value: Value) -> Figure {
    Figure { name: name.to_owned(), value }
}
