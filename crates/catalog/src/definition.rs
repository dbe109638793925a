//! The meaning of a set's columns, without its SQL: what a collector and a server must agree on.
//!
//! A definition evolves by adding nullable columns only: a column never changes its type, kind or
//! unit. Its hash travels with every reading; a server that does not know it asks for the
//! definition once.

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::version::Version;

/// Where a set is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Once per instance, over the open connection to the maintenance database, or (for views of
    /// an extension) from the database that has the extension.
    Instance,
    /// Once per database; rows carry the database's `datid`.
    Database,
    /// From the host's operating system.
    Host,
    /// From the instance's log.
    Log,
    /// From a connection pooler.
    Pooler,
    /// From the collector itself.
    Collector,
}

impl Scope {
    /// The folder of the catalogue that holds sets of this scope.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Database => "database",
            Self::Host => "host",
            Self::Log => "log",
            Self::Pooler => "pooler",
            Self::Collector => "collector",
        }
    }
}

/// The type of a column, and with it its type in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// `boolean`.
    Bool,
    /// 32-bit integer.
    Int4,
    /// 64-bit integer.
    Int8,
    /// 64-bit floating point.
    Float8,
    /// UTF-8 text without NUL.
    Text,
    /// A moment; travels as microseconds since 1970 (UTC), `i64::MIN` and `i64::MAX` being ∓infinity.
    Timestamptz,
    /// An object identifier, as a 64-bit integer.
    Oid,
    /// A WAL position in bytes, as a 64-bit integer.
    Lsn,
    /// A length of time in whole microseconds, as a 64-bit integer.
    Duration,
}

impl Type {
    /// The word that `set.toml` has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float8 => "float8",
            Self::Text => "text",
            Self::Timestamptz => "timestamptz",
            Self::Oid => "oid",
            Self::Lsn => "lsn",
            Self::Duration => "duration",
        }
    }

    /// The type of the column in the store, in PostgreSQL's own words.
    #[must_use]
    pub const fn in_store(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int4 => "integer",
            Self::Int8 | Self::Oid | Self::Lsn | Self::Duration => "bigint",
            Self::Float8 => "double precision",
            Self::Text => "text",
            Self::Timestamptz => "timestamp with time zone",
        }
    }
}

/// What a column's values mean over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Part of the row's key.
    Label,
    /// Cumulative in PostgreSQL; stored as the increment over the row's interval.
    Counter,
    /// Already per interval.
    Count,
    /// A value of the moment.
    Gauge,
    /// One of few words, of the moment.
    State,
    /// One row each.
    Event,
    /// Stored when it changes, repeated daily.
    Info,
    /// A long text, stored once.
    Text,
    /// The moment from which the row's counters count. When it moves, the interval is flagged.
    Reset,
    /// Like `reset`, and it separates the lives of the row exactly: when it moves, the row's
    /// counters began at zero (`pg_stat_statements.stats_since`).
    Since,
}

impl Kind {
    /// The word that `set.toml` has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Counter => "counter",
            Self::Count => "count",
            Self::Gauge => "gauge",
            Self::State => "state",
            Self::Event => "event",
            Self::Info => "info",
            Self::Text => "text",
            Self::Reset => "reset",
            Self::Since => "since",
        }
    }
}

/// The unit of a column's values. Rates in pages and exports follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// No unit: labels, words, moments.
    None,
    /// A number of things; the column's name says which.
    Count,
    /// Rows.
    Rows,
    /// Bytes.
    Bytes,
    /// Blocks of `block_size` bytes (8 KiB unless compiled otherwise).
    Blocks,
    /// Microseconds; always with type `duration`.
    Microseconds,
    /// Square milliseconds: the additive form of a standard deviation in milliseconds.
    SquareMilliseconds,
    /// A share between 0 and 1.
    Ratio,
}

impl Unit {
    /// The word that `set.toml` has for it; empty without a unit.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Count => "count",
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Blocks => "blocks",
            Self::Microseconds => "microseconds",
            Self::SquareMilliseconds => "square_milliseconds",
            Self::Ratio => "ratio",
        }
    }
}

/// Which end of what it was measured over a gauge is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extreme {
    /// The least: of several readings the least one tells.
    Least,
    /// The greatest: of several readings the greatest one tells.
    Greatest,
}

/// One column of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, also in the store and in JSON.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: Type,
    /// What its values mean over time.
    pub kind: Kind,
    /// Its unit.
    #[serde(default = "no_unit")]
    pub unit: Unit,
    /// One sentence for people.
    pub help: String,
    /// The PostgreSQL setting without which the value reads 0 and is stored as NULL with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_setting: Option<String>,
    /// The role of the instance on which the value is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<crate::Role>,
    /// The version from which it is known, where that is above the set's lowest. Not part of the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Version>,
    /// Whether it is NULL without the set's grant; where a label is, the set is of no use without it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_grant: bool,
    /// Whether it holds the text of a statement: secrets are taken out of it, and it is cut, before it is kept.
    #[serde(default, skip_serializing_if = "is_false")]
    pub statement: bool,
    /// Whether it is a gauge that is itself the least or the greatest of much. Not part of the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme: Option<Extreme>,
}

impl Column {
    /// Whether a fall of this counter shows that the row began anew. A floating-point counter may
    /// fall by rounding alone, so its fall shows nothing.
    #[must_use]
    pub fn fall_is_reset(&self) -> bool {
        self.kind == Kind::Counter && self.column_type != Type::Float8
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

const fn no_unit() -> Unit {
    Unit::None
}

/// How a set as a whole is kept; follows from its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetKind {
    /// Counters and gauges: a row per key and interval.
    Figures,
    /// A row whenever something about the key changed.
    Info,
    /// Long texts, each stored once.
    Texts,
    /// A row per event.
    Events,
}

/// What a collector and a server must agree on about a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The set's name, also that of its table.
    pub name: String,
    /// Where it is read.
    pub scope: Scope,
    /// One sentence for people.
    pub help: String,
    /// Its columns; a reading names them by their position here.
    pub columns: Vec<Column>,
    /// [`Definition::hash`], computed once.
    #[serde(skip)]
    known_hash: KnownHash,
}

/// A hash that was computed before, four times for each set and cycle otherwise. It says nothing of its
/// own: two definitions are alike whether or not it is known. A clone begins without one, so a
/// definition is changed by changing a clone.
#[derive(Debug, Default)]
struct KnownHash(OnceLock<DefinitionHash>);

impl Clone for KnownHash {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for KnownHash {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for KnownHash {}

/// The identity of a definition: what changes when a column is added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionHash(pub [u8; 16]);

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DefinitionHash({self})")
    }
}

/// Why one definition cannot follow another.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Incompatible {
    /// A column changed what it means.
    #[error("column {column} of set {set} changed its type, kind or unit")]
    Changed {
        /// The set.
        set: String,
        /// The column.
        column: String,
    },
    /// The key changed.
    #[error("the labels of set {set} changed")]
    Labels {
        /// The set.
        set: String,
    },
    /// The scope changed.
    #[error("the scope of set {set} changed")]
    Scope {
        /// The set.
        set: String,
    },
}

impl Definition {
    /// A definition of these parts.
    #[must_use]
    pub fn new(name: String, scope: Scope, help: String, columns: Vec<Column>) -> Self {
        Self { name, scope, help, columns, known_hash: KnownHash::default() }
    }

    /// The hash over everything that decides how a reading is decoded and stored: names, scope, types,
    /// kinds and units. Help, requirements and versions are left out.
    #[must_use]
    pub fn hash(&self) -> DefinitionHash {
        *self.known_hash.0.get_or_init(|| self.compute_hash())
    }

    fn compute_hash(&self) -> DefinitionHash {
        let mut digest = Sha256::new();
        let mut feed = |part: &str| {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        };
        feed(&self.name);
        feed(&in_hash(self.scope.folder()));
        for column in &self.columns {
            feed(&column.name);
            let words = [column.column_type.word(), column.kind.word(), column.unit.word()];
            feed(&words.map(in_hash).join(" "));
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest.finalize()[..16]);
        DefinitionHash(hash)
    }

    /// How the set is kept.
    #[must_use]
    pub fn kind(&self) -> SetKind {
        let has = |kind: Kind| self.columns.iter().any(|column| column.kind == kind);
        if has(Kind::Text) {
            SetKind::Texts
        } else if has(Kind::Info) {
            SetKind::Info
        } else if has(Kind::Event) {
            SetKind::Events
        } else {
            SetKind::Figures
        }
    }

    /// A column and its position, by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }

    /// Whether `newer` may follow this definition: it only adds columns that are not labels.
    ///
    /// # Errors
    /// Names the first thing that changed its meaning.
    pub fn may_become(&self, newer: &Self) -> Result<(), Incompatible> {
        if self.scope != newer.scope {
            return Err(Incompatible::Scope { set: self.name.clone() });
        }
        for column in &newer.columns {
            if let Some((_, known)) = self.column(&column.name) {
                let same = |c: &Column| (c.column_type, c.kind, c.unit);
                if same(known) != same(column) {
                    return Err(Incompatible::Changed { set: self.name.clone(), column: column.name.clone() });
                }
            }
        }
        let labels = |definition: &Self| {
            let mut names: Vec<_> =
                definition.columns.iter().filter(|c| c.kind == Kind::Label).map(|c| c.name.clone()).collect();
            names.sort();
            names
        };
        if labels(self) != labels(newer) {
            return Err(Incompatible::Labels { set: self.name.clone() });
        }
        Ok(())
    }
}

/// A word of `set.toml` as it goes into hashes: `square_milliseconds` is `SquareMilliseconds`, and no unit is `None`.
/// Stores and spools know definitions by their hashes, so this never changes.
fn in_hash(word: &str) -> String {
    if word.is_empty() {
        return "None".to_owned();
    }
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    word.split('_').map(capital).collect()
}
