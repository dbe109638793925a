//! One set: its meaning (`set.toml`) and its SQL by version, checked as a whole when it is parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::definition::{Column, Definition, Extreme, Kind, Scope, SetKind, Type, Unit};
use crate::embedded::USERS_PREFIX;
use crate::statement::{self, Mistake};
use crate::version::{Version, VersionError};

/// The longest name of a set or column: PostgreSQL's 63 bytes less room for partition suffixes.
pub const MAX_NAME: usize = 48;

/// The turns in which sets are read less often.
const FIRST_TURN: u8 = 1;
/// The last of them.
const LAST_TURN: u8 = 9;

/// Names that every table or answer has besides the set's own columns.
pub const RESERVED_COLUMNS: [&str; 12] = [
    "instance_id",
    "time",
    "interval_us",
    "datid_read",
    "removed",
    // Of answers.
    "interval_ms",
    // PostgreSQL's own.
    "ctid",
    "xmin",
    "cmin",
    "xmax",
    "cmax",
    "tableoid",
];

/// Columns that tables of infos have besides.
pub const INFO_COLUMNS: [&str; 3] = ["valid_from", "valid_to", "seen_at"];

/// The role of an instance on which something is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// On a primary and on a standby.
    #[default]
    Any,
    /// On a primary only.
    Primary,
    /// On a standby only.
    Standby,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Primary => "primary",
            Self::Standby => "standby",
        })
    }
}

/// At most so many rows per value of a label, by size of a counter or count; applied after increments are
/// formed. What is cut is summed into one row "others".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The collector's setting that holds the number, such as `MAX_QUERIES_PER_DB`.
    pub setting: String,
    /// The label within whose values rows are counted.
    pub per: String,
    /// The counter or count by whose increment rows are kept, largest first.
    pub order: String,
    /// The label that names a row to people: those of rows that were cut are kept with the sum.
    pub id: String,
    /// Labels, besides `per` and booleans, that a sum keeps: there is one for each of their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<String>,
}

/// How a set is sampled: its statement is run again and again between two readings, and what it counts is added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Seconds between two samples.
    pub every: u32,
    /// The set, of scope `collector`, that says at the time of each reading how many samples were taken and missed.
    pub counted_in: String,
}

/// The columns of a set that says how many samples were taken, and how many were missed.
pub const SAMPLE_COUNTS: [&str; 2] = ["taken", "missed"];

/// A set, parsed and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// What collector and server agree on.
    pub definition: Definition,
    /// The plug-in that switches and times it, such as `pg_query_stats`.
    pub group: String,
    /// Seconds between two readings unless configured otherwise.
    pub interval_seconds: u32,
    /// Whose turn it is to be read less often where all sets take more than the instance's budget, 1 first; `None`: never.
    pub yields: Option<u8>,
    /// The role of the instance on which it is read.
    pub role: Role,
    /// The extension whose view it reads; its SQL files are then named after extension versions.
    pub extension: Option<String>,
    /// The set that is read before and after this one; when it moved, the reading is repeated once.
    pub guard: Option<String>,
    /// The row limit.
    pub limit: Option<Limit>,
    /// How it is sampled, where it is.
    pub sample: Option<Sample>,
    /// What reading it needs beyond `CONNECT`, as one statement with `{role}` for the collector's role.
    pub grant: Option<String>,
    /// The predefined role whose membership shows that the grant is there, such as `pg_read_all_stats`.
    pub member_of: Option<String>,
    /// Functions, with their arguments' types, that the role must be able to execute in the database that is
    /// read; that it can shows that the grant is there.
    pub executes: Vec<String>,
    /// SQL by the lowest version that it serves.
    pub sql: BTreeMap<Version, String>,
}

/// Whether a set can be read at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability<'a> {
    /// This SQL serves the version.
    Sql(&'a str),
    /// The set needs at least this version.
    Needs(Version),
}

/// What a role loses that lacks a set's grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithoutGrant {
    /// Nothing: the set needs no grant.
    Nothing,
    /// These columns; where there are none, some rows.
    Part(Vec<String>),
    /// The whole set: its rows cannot be told apart.
    Set,
}

/// What is wrong with a set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// `set.toml` does not parse.
    #[error("set.toml: {0}")]
    Toml(#[from] toml::de::Error),
    /// A file is not named after a version.
    #[error("file {file}: {source}")]
    FileName {
        /// The file.
        file: String,
        /// Why.
        source: VersionError,
    },
    /// A statement does more than read.
    #[error("file {file}{}: {mistake}", line_of(.mistake.line))]
    Statement {
        /// The file.
        file: String,
        /// What it does.
        mistake: Mistake,
    },
    /// The set contradicts itself or the rules of the catalogue.
    #[error("{0}")]
    Rule(String),
}

fn line_of(line: Option<usize>) -> String {
    line.map(|line| format!(" line {line}")).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    help: String,
    scope: Scope,
    group: String,
    interval: u32,
    yields: Option<u8>,
    #[serde(default)]
    role: Role,
    extension: Option<String>,
    guard: Option<String>,
    limit: Option<Limit>,
    sample: Option<Sample>,
    grant: Option<String>,
    member_of: Option<String>,
    #[serde(default)]
    executes: Vec<String>,
    columns: Vec<Column>,
}

impl Set {
    /// Parses a set from its `set.toml` and its SQL files, given as (file name, content).
    ///
    /// # Errors
    /// The first thing wrong with it, naming the column or file.
    pub fn parse<'a>(
        name: &str,
        set_toml: &str,
        sql_files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SetError> {
        let file: SetFile = toml::from_str(set_toml)?;
        let mut sql = BTreeMap::new();
        for (file_name, content) in sql_files {
            let version = file_name
                .strip_suffix(".sql")
                .unwrap_or(file_name)
                .parse::<Version>()
                .map_err(|source| SetError::FileName { file: file_name.to_owned(), source })?;
            let statement = content.trim().trim_end_matches(';').trim_end().to_owned();
            if statement.is_empty() {
                return Err(SetError::Rule(format!("file {file_name} is empty")));
            }
            let blank = content.len() - content.trim_start().len();
            statement::check(&statement).map_err(|Mistake { line, reason }| {
                let above = content.as_bytes()[..blank].iter().filter(|byte| **byte == b'\n').count();
                let mistake = Mistake { line: line.map(|line| line + above), reason };
                SetError::Statement { file: file_name.to_owned(), mistake }
            })?;
            if sql.insert(version, statement).is_some() {
                return Err(SetError::Rule(format!("two SQL files for version {version}")));
            }
        }
        let set = Self {
            definition: Definition::new(name.to_owned(), file.scope, file.help, file.columns),
            group: file.group,
            interval_seconds: file.interval,
            // A set of one's own makes room for those that everybody relies on.
            yields: file.yields.or_else(|| name.starts_with(USERS_PREFIX).then_some(FIRST_TURN)),
            role: file.role,
            extension: file.extension,
            guard: file.guard,
            limit: file.limit,
            sample: file.sample,
            grant: file.grant,
            member_of: file.member_of,
            executes: file.executes,
            sql,
        };
        set.check().map_err(SetError::Rule)?;
        Ok(set)
    }

    /// Whether it is one of the users' own.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.name().starts_with(USERS_PREFIX)
    }

    /// Users' own sets are read by SQL, and texts of statements are those of one extension.
    pub(crate) fn check_users(&self) -> Result<(), String> {
        if !matches!(self.definition.scope, Scope::Instance | Scope::Database) {
            return Err("scope: a set of your own is read by SQL: instance or database".to_owned());
        }
        if self.definition.kind() == SetKind::Texts {
            return Err("kind text is for the texts of statements: use info".to_owned());
        }
        if self.sample.is_some() {
            return Err("sample: a set of your own is read at its interval".to_owned());
        }
        Ok(())
    }

    /// The sets that are read with it, and never by themselves: its guard, and what counts its samples.
    pub fn beside(&self) -> impl Iterator<Item = &str> {
        let counts = self.sample.as_ref().map(|sample| &sample.counted_in);
        self.guard.iter().chain(counts).map(String::as_str)
    }

    /// The set's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The SQL for a version of the server, or of the extension where the set reads one.
    #[must_use]
    pub fn sql_for(&self, version: Version) -> Availability<'_> {
        match self.sql.range(..=version).next_back() {
            Some((_, sql)) => Availability::Sql(sql),
            None => Availability::Needs(self.sql.keys().next().copied().unwrap_or(version)),
        }
    }

    /// The lowest version at which it can be read; none where it is not read by SQL.
    #[must_use]
    pub fn lowest_version(&self) -> Option<Version> {
        self.sql.keys().next().copied()
    }

    /// What is lost without the set's grant.
    #[must_use]
    pub fn without_grant(&self) -> WithoutGrant {
        let hidden: Vec<_> = self.definition.columns.iter().filter(|c| c.needs_grant).collect();
        match (&self.grant, hidden.iter().any(|c| c.kind == Kind::Label)) {
            (None, _) => WithoutGrant::Nothing,
            // The statement raises an error.
            (Some(_), _) if !self.executes.is_empty() => WithoutGrant::Set,
            (Some(_), true) => WithoutGrant::Set,
            (Some(_), false) => WithoutGrant::Part(hidden.iter().map(|c| c.name.clone()).collect()),
        }
    }

    fn check(&self) -> Result<(), String> {
        let name = self.name();
        check_name(name)?;
        if self.interval_seconds == 0 {
            return Err("interval must be at least 1 second".to_owned());
        }
        if self.sql.is_empty() && matches!(self.definition.scope, Scope::Instance | Scope::Database) {
            return Err("no SQL file; name one after the lowest version that it serves, such as 12.sql".to_owned());
        }
        if self.yields.is_some_and(|turn| !(FIRST_TURN..=LAST_TURN).contains(&turn)) {
            return Err(format!("yields: a turn from {FIRST_TURN} (first) to {LAST_TURN}"));
        }
        if !self.sql.is_empty() && matches!(self.definition.scope, Scope::Host | Scope::Collector) {
            let scope = self.definition.scope.folder();
            return Err(format!("sets of scope {scope} are not read by SQL: remove the SQL files"));
        }
        let mut seen = BTreeSet::new();
        for column in &self.definition.columns {
            check_name(&column.name)?;
            let place = format!("column {}", column.name);
            if !seen.insert(column.name.as_str()) {
                return Err(format!("{place} stands twice"));
            }
            let is_info = column.kind == Kind::Info && INFO_COLUMNS.contains(&column.name.as_str());
            if is_info || RESERVED_COLUMNS.contains(&column.name.as_str()) {
                return Err(format!("{place}: every table has a column of this name already"));
            }
            check_column(column).map_err(|reason| format!("{place}: {reason}"))?;
            self.check_requirements(column).map_err(|reason| format!("{place}: {reason}"))?;
        }
        self.check_kinds()?;
        if self.grant.as_ref().is_some_and(|grant| !grant.contains("{role}")) {
            return Err("grant: write {role} where the collector's role belongs".to_owned());
        }
        if self.member_of.is_some() && self.grant.is_none() {
            return Err("member_of: name the grant that gives the membership".to_owned());
        }
        if !self.executes.is_empty() && (self.grant.is_none() || self.definition.scope != Scope::Database) {
            return Err("executes: name the grant that allows it; only for sets of scope database".to_owned());
        }
        if self.extension.is_none() && self.sql.values().any(|sql| sql.contains("{extension}")) {
            return Err("SQL names {extension}, and set.toml no extension".to_owned());
        }
        if let Some(limit) = &self.limit {
            let is = |column: &str, kind: Kind| self.definition.column(column).is_some_and(|(_, c)| c.kind == kind);
            if !is(&limit.per, Kind::Label) {
                return Err(format!("limit: {} is not a label of this set", limit.per));
            }
            if !is(&limit.id, Kind::Label) {
                return Err(format!("limit: {} is not a label of this set", limit.id));
            }
            if !is(&limit.order, Kind::Counter) && !is(&limit.order, Kind::Count) {
                return Err(format!("limit: {} is not a counter of this set", limit.order));
            }
            if let Some(kept) = limit.keeps.iter().find(|kept| !is(kept, Kind::Label)) {
                return Err(format!("limit: {kept} is not a label of this set"));
            }
        }
        self.check_sample()
    }

    /// Samples are added up, which only whole numbers that are of the sample alone can be.
    fn check_sample(&self) -> Result<(), String> {
        let Some(sample) = &self.sample else { return Ok(()) };
        if self.definition.scope != Scope::Instance || self.extension.is_some() || self.guard.is_some() {
            return Err("sample: only of scope instance, without extension and guard".to_owned());
        }
        if sample.every == 0 || sample.every >= self.interval_seconds {
            return Err("sample: every is at least 1 second, and less than the interval".to_owned());
        }
        let adds_up = |column: &Column| {
            column.kind == Kind::Label || column.kind == Kind::Count && column.column_type == Type::Int8
        };
        match self.definition.columns.iter().find(|column| !adds_up(column)) {
            Some(column) => Err(format!("sample: column {} is no label and no count of type int8", column.name)),
            None => Ok(()),
        }
    }

    fn check_requirements(&self, column: &Column) -> Result<(), String> {
        if column.needs_grant && self.grant.is_none() {
            return Err("needs_grant, and the set has no grant".to_owned());
        }
        let Some(since) = column.since else { return Ok(()) };
        if !self.sql.contains_key(&since) {
            return Err(format!("since {since}, and there is no {since}.sql in which it appears"));
        }
        if self.lowest_version() == Some(since) {
            return Err(format!("since {since} is the set's lowest version: leave it out"));
        }
        Ok(())
    }

    /// Kinds that are kept in different ways do not share a set.
    fn check_kinds(&self) -> Result<(), String> {
        let figures = |kind: Kind| {
            matches!(kind, Kind::Counter | Kind::Count | Kind::Gauge | Kind::State | Kind::Reset | Kind::Since)
        };
        let stray = |allowed: Kind| {
            self.definition
                .columns
                .iter()
                .find(|c| c.kind != Kind::Label && c.kind != allowed)
                .map(|c| format!("column {}: a set with {allowed:?} columns has only those and labels", c.name))
        };
        let problem = match self.definition.kind() {
            SetKind::Texts => stray(Kind::Text),
            SetKind::Info => stray(Kind::Info),
            SetKind::Events => stray(Kind::Event),
            SetKind::Figures if self.definition.columns.iter().any(|c| figures(c.kind)) => None,
            SetKind::Figures => Some("no column besides labels".to_owned()),
        };
        problem.map_or(Ok(()), Err)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && rest && name.len() <= MAX_NAME {
        Ok(())
    } else {
        Err(format!("{name:?} is no name: lower-case letters, digits and _, at most {MAX_NAME}, first a letter"))
    }
}

fn check_column(column: &Column) -> Result<(), String> {
    if column.help.trim().is_empty() {
        return Err("help is empty".to_owned());
    }
    if (column.unit == Unit::Microseconds) != (column.column_type == Type::Duration) {
        return Err("unit microseconds and type duration go together".to_owned());
    }
    let number = matches!(column.column_type, Type::Int4 | Type::Int8 | Type::Float8 | Type::Duration);
    let may_be_extreme = match column.extreme {
        Some(Extreme::Greatest) => false,
        Some(Extreme::Least) => column.column_type == Type::Timestamptz,
        None => true,
    };
    match column.kind {
        Kind::Label if column.requires_setting.is_some() || column.role.is_some() || column.since.is_some() => {
            Err("a label is always known: it requires no setting, role or version".to_owned())
        }
        Kind::Counter | Kind::Count if !number => Err("a counter is a number or a duration".to_owned()),
        Kind::Counter | Kind::Count if column.unit == Unit::None => Err("a counter has a unit".to_owned()),
        Kind::Label if column.column_type == Type::Float8 => Err("a label is no floating-point number".to_owned()),
        _ if column.statement && column.column_type != Type::Text => Err("a statement has type text".to_owned()),
        _ if column.extreme.is_some() && column.kind != Kind::Gauge => Err("an extreme is a gauge".to_owned()),
        Kind::Gauge if !(number || may_be_extreme) => {
            Err("an extreme is a number, a duration, or the least of moments".to_owned())
        }
        Kind::Text if column.column_type != Type::Text => Err("kind text has type text".to_owned()),
        Kind::Reset | Kind::Since if column.column_type != Type::Timestamptz => {
            Err("reset and since are moments: type timestamptz".to_owned())
        }
        _ => Ok(()),
    }
}
