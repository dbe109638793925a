//! What was read of an instance, with the names by which rules ask for it.

use std::collections::{BTreeMap, HashMap};

use catalog::{Catalog, Definition, identifier};
use jiff::{SignedDuration, Timestamp};
use wire::{Attributes, Flag, Frame, FrameColumn, SetState, State, StateCode};

/// A set, and the database for sets of databases.
pub type Key = (String, Option<i64>);

/// How the second reading went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Second {
    /// It was not asked for.
    #[default]
    NotAsked,
    /// It was made.
    Done,
    /// It failed: a sentence.
    Failed(String),
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// What the instance said of itself.
    pub attributes: Attributes,
    /// The host and port that was asked, and the role that asked.
    pub role: String,
    /// What can be read, and what cannot.
    pub states: Vec<SetState>,
    /// What could be read besides.
    pub hints: Vec<SetState>,
    /// Each set as it was read last, with the time.
    pub frames: BTreeMap<Key, (i64, Frame)>,
    /// What moved between the readings: microseconds, rows, what is known to be missing.
    pub moved: BTreeMap<Key, (u64, Frame, Vec<Flag>)>,
    /// Texts of statements, as frames of their set.
    pub texts: Vec<Frame>,
    /// What was not read.
    pub failures: BTreeMap<Key, String>,
    /// Why databases are not read, as far as that is not what became of reading them.
    pub unread: BTreeMap<i64, String>,
    /// What is wrong with the connection string.
    pub mistakes: Vec<String>,
    /// When the first reading was over.
    pub first_at: Timestamp,
    /// When the last one was.
    pub last_at: Timestamp,
    /// How the second one went.
    pub second: Second,
}

/// Readings and their catalogue, to ask.
#[derive(Debug)]
pub struct Look<'a> {
    catalog: &'a Catalog,
    readings: &'a Readings,
    databases: HashMap<i64, String>,
    roles: HashMap<i64, String>,
    relations: HashMap<(i64, i64), (String, String)>,
    settings: HashMap<String, (String, Option<String>)>,
}

/// A row of a set.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    definition: &'a Definition,
    frame: &'a Frame,
    row: usize,
    /// The database that was read, for sets of databases.
    pub datid: Option<i64>,
    /// When it was read, by the clock of who read.
    pub time_us: i64,
    /// The length that its counters are of; `None` where they count since their reset.
    pub interval_us: Option<u64>,
}

impl<'a> Row<'a> {
    fn column(&self, name: &str) -> Option<&'a FrameColumn> {
        let found = self.definition.column(name);
        debug_assert!(found.is_some(), "{} has no column {name}", self.definition.name);
        self.frame.column(found?.0)
    }

    /// A whole number, moment or oid.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.column(name)?.int(self.row)
    }

    /// A number.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        let column = self.column(name)?;
        column.float(self.row).or_else(|| column.int(self.row).map(|value| value as f64))
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.column(name)?.text(self.row)
    }

    /// Whether it is known and true.
    #[must_use]
    pub fn yes(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }

    /// A boolean.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.column(name)?.bool(self.row)
    }

    /// A counter per second; `None` where there is no interval.
    #[must_use]
    pub fn per_second(&self, name: &str) -> Option<f64> {
        let interval = self.interval_us.filter(|interval| *interval > 0)? as f64 / 1e6;
        Some(self.float(name)? / interval)
    }
}

impl<'a> Look<'a> {
    /// At readings.
    #[must_use]
    pub fn new(catalog: &'a Catalog, readings: &'a Readings) -> Self {
        let mut look = Self {
            catalog,
            readings,
            databases: HashMap::new(),
            roles: HashMap::new(),
            relations: HashMap::new(),
            settings: HashMap::new(),
        };
        let named = |set: &str, key: &str, name: &str| -> HashMap<i64, String> {
            look.rows(set).into_iter().filter_map(|row| Some((row.int(key)?, row.text(name)?.to_owned()))).collect()
        };
        let (databases, roles) = (named("pg_database", "datid", "datname"), named("pg_roles", "roleid", "rolname"));
        let mut relations = HashMap::new();
        for (set, key) in [("pg_class", "relid"), ("pg_index", "indexrelid"), ("pg_sequence", "seqrelid")] {
            relations.extend(look.rows(set).into_iter().filter_map(|row| {
                let name = (row.text("schema")?.to_owned(), row.text("relname")?.to_owned());
                Some(((row.datid?, row.int(key)?), name))
            }));
        }
        let settings = look.rows("pg_settings").into_iter().filter_map(|row| {
            let value = (row.text("setting")?.to_owned(), row.text("unit").map(str::to_owned));
            Some((row.text("name")?.to_owned(), value))
        });
        look.settings = settings.collect();
        (look.databases, look.roles, look.relations) = (databases, roles, relations);
        look
    }

    /// What was read.
    #[must_use]
    pub fn readings(&self) -> &'a Readings {
        self.readings
    }

    /// A set's rows as they were read last, of all databases.
    #[must_use]
    pub fn rows(&self, set: &str) -> Vec<Row<'a>> {
        let Some(definition) = self.definition(set) else { return Vec::new() };
        let frames = self.readings.frames.range((set.to_owned(), None)..).take_while(|((name, _), _)| name == set);
        let rows = frames.flat_map(|((_, datid), (time_us, frame))| {
            let of = move |row| Row { definition, frame, row, datid: *datid, time_us: *time_us, interval_us: None };
            (0..frame.rows).map(of)
        });
        rows.collect()
    }

    /// The only row of a set that has one.
    #[must_use]
    pub fn row(&self, set: &str) -> Option<Row<'a>> {
        self.rows(set).into_iter().next()
    }

    /// A set's increments between the readings, of all databases.
    #[must_use]
    pub fn moved(&self, set: &str) -> Vec<Row<'a>> {
        let Some(definition) = self.definition(set) else { return Vec::new() };
        let frames = self.readings.moved.range((set.to_owned(), None)..).take_while(|((name, _), _)| name == set);
        let rows = frames.flat_map(|((_, datid), (interval, frame, _))| {
            let of = move |row| Row { definition, frame, row, datid: *datid, time_us: 0, interval_us: Some(*interval) };
            (0..frame.rows).map(of)
        });
        rows.collect()
    }

    /// The rows of texts of statements.
    #[must_use]
    pub fn texts(&self) -> Vec<Row<'a>> {
        let Some(definition) = self.definition("pg_stat_statements_text") else { return Vec::new() };
        let frames = self.readings.texts.iter();
        let of = |frame: &'a Frame| {
            (0..frame.rows).map(move |row| Row { definition, frame, row, datid: None, time_us: 0, interval_us: None })
        };
        frames.flat_map(of).collect()
    }

    fn definition(&self, set: &str) -> Option<&'a Definition> {
        let found = self.catalog.get(set);
        debug_assert!(found.is_some(), "there is no set {set}");
        found.map(|set| &set.definition)
    }

    /// Whether a set was read, of the instance or of any database.
    #[must_use]
    pub fn was_read(&self, set: &str) -> bool {
        let mut frames = self.readings.frames.range((set.to_owned(), None)..);
        frames.next().is_some_and(|((name, _), _)| name == set)
    }

    /// Whether a set moved between two readings.
    #[must_use]
    pub fn has_moved(&self, set: &str) -> bool {
        let mut moved = self.readings.moved.range((set.to_owned(), None)..);
        moved.next().is_some_and(|((name, _), _)| name == set)
    }

    /// Why a set was not read, and whether that is as it is meant to be.
    #[must_use]
    pub fn why_not(&self, set: &str) -> (String, bool) {
        let state = self.state(set, "").filter(|state| state.state != State::Works as i32);
        match state {
            Some(state) => (state.message.clone(), state.code == StateCode::Role as i32),
            None => {
                let error = self.readings.failures.iter().find(|((name, _), _)| name == set);
                (error.map_or_else(|| format!("{set} was not read."), |(_, error)| format!("{set}: {error}.")), false)
            }
        }
    }

    /// What is said of a column, or of a whole set.
    #[must_use]
    pub fn state(&self, set: &str, column: &str) -> Option<&'a SetState> {
        self.readings.states.iter().find(|state| state.set == set && state.column == column)
    }

    /// Whether a column is hidden from the role.
    #[must_use]
    pub fn is_hidden(&self, set: &str, column: &str) -> bool {
        self.state(set, column).is_some_and(|state| state.code == StateCode::Privilege as i32)
    }

    /// A setting as it stands.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(|(value, _)| value.as_str())
    }

    /// All settings.
    #[must_use]
    pub fn settings(&self) -> HashMap<String, String> {
        self.settings.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
    }

    /// A setting that is a number, in its own unit.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.setting(name)?.parse().ok()
    }

    /// A setting in bytes.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<i64> {
        let (value, unit) = self.settings.get(name)?;
        let unit = unit.as_deref().unwrap_or("B");
        let digits = unit.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(0);
        let times: i64 = if digits == 0 { 1 } else { unit[..digits].parse().ok()? };
        let size = match &unit[digits..] {
            "B" => 1,
            "kB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            _ => return None,
        };
        value.parse::<i64>().ok()?.checked_mul(times)?.checked_mul(size)
    }

    /// The instance's version, `server_version_num`.
    #[must_use]
    pub fn version_num(&self) -> u32 {
        self.readings.attributes.version_num
    }

    /// Its major, 9 for all before 10.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version_num() / 10_000
    }

    /// Whether it is in recovery.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.readings.attributes.role == "standby"
    }

    /// How long ago a moment of the instance was when the row was read; `None` for one that never was.
    #[must_use]
    pub fn age(&self, row: &Row<'_>, column: &str) -> Option<SignedDuration> {
        let moment = row.int(column).filter(|moment| ![i64::MIN, i64::MAX].contains(moment))?;
        Some(SignedDuration::from_micros(self.now_us(row).saturating_sub(moment)))
    }

    /// When a row was read, by the instance's clock.
    #[must_use]
    pub fn now_us(&self, row: &Row<'_>) -> i64 {
        row.time_us.saturating_add(self.readings.attributes.clock_offset_us.unwrap_or(0))
    }

    /// The name of a database.
    #[must_use]
    pub fn database(&self, datid: i64) -> String {
        self.databases.get(&datid).cloned().unwrap_or_else(|| format!("with oid {datid}"))
    }

    /// The name of a role.
    #[must_use]
    pub fn role(&self, roleid: i64) -> String {
        self.roles.get(&roleid).cloned().unwrap_or_else(|| format!("with oid {roleid}"))
    }

    /// The name of a table, index or sequence, as it stands in a statement.
    #[must_use]
    pub fn relation(&self, datid: i64, relid: i64) -> Option<String> {
        let (schema, name) = self.relations.get(&(datid, relid))?;
        Some(format!("{}.{}", identifier(schema), identifier(name)))
    }

    /// Whether a relation is PostgreSQL's own, or not known.
    #[must_use]
    pub fn is_system(&self, datid: i64, relid: i64) -> bool {
        let schema = self.relations.get(&(datid, relid)).map(|(schema, _)| schema.as_str());
        schema.is_none_or(|schema| matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"))
    }
}
