//! What travels of objects and their changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::relations::model::Unreadable;

/// Which changes, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ChangesQuery {
    /// Changes after this moment; else the last hour.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) start: Option<Timestamp>,
    /// Changes up to this moment; else until now.
    #[param(value_type = Option<String>, format = DateTime)]
    #[serde(default, deserialize_with = "crate::when::asked")]
    pub(crate) end: Option<Timestamp>,
    /// In one database, by name or oid.
    pub(crate) database: Option<String>,
    /// Of one kind, as `kinds` of the answer has them.
    pub(crate) kind: Option<String>,
    /// Of objects whose name has this in it, whatever the case.
    pub(crate) search: Option<String>,
    /// Changes at most.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Changes to skip.
    #[param(default = 0, minimum = 0)]
    pub(crate) offset: Option<usize>,
}

/// What changed in a range, the newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Changes {
    /// The newest first.
    pub(crate) data: Vec<Change>,
    /// How many there are here.
    pub(crate) count: usize,
    /// How many match.
    pub(crate) total: usize,
    /// Whether there were so many that the oldest are not among these.
    pub(crate) cut: bool,
    /// The kinds of objects of which changes are told.
    pub(crate) kinds: Vec<&'static str>,
    /// The databases with changes, by name.
    pub(crate) databases: Vec<String>,
    /// What could not be read, here or in some of the databases: nothing is told of it.
    pub(crate) not_readable: Vec<Unreadable>,
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Change {
    /// The reading that showed it first: it happened before.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// The last time that it was seen as it was before: it happened after. Null for what was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) after: Option<Timestamp>,
    /// What kind of object.
    pub(crate) kind: String,
    /// `created`, `changed` or `dropped`.
    pub(crate) action: String,
    /// Its database; null for what belongs to the instance.
    pub(crate) database: Option<String>,
    /// What tells it from others of its kind and database, whatever they are called: its oid, or its name.
    pub(crate) id: String,
    /// The object's name, with its schema or its table; its oid where the name is not known.
    pub(crate) name: String,
    /// The table that it is, or that it belongs to.
    pub(crate) relid: Option<i64>,
    /// What was changed; of what was made or dropped, what it was.
    pub(crate) changes: Vec<ChangedValue>,
}

/// A property and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ChangedValue {
    /// The property, as the catalogue names it.
    pub(crate) property: String,
    /// Before; null where there was none.
    pub(crate) before: Option<String>,
    /// After; null where there is none.
    pub(crate) after: Option<String>,
}

/// The objects at a moment, and what of them somebody should mend.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Schema {
    /// What somebody should mend, the gravest first. Invalid, duplicate and unused indexes are told with the indexes.
    pub(crate) findings: Vec<SchemaFinding>,
    /// How many objects there are, by database, PostgreSQL's own aside; what belongs to the instance has none.
    pub(crate) objects: Vec<Objects>,
    /// What could not be read, here or in some of the databases.
    pub(crate) not_readable: Vec<Unreadable>,
}

/// How many objects of a kind there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Objects {
    /// The database; null for what belongs to the instance.
    pub(crate) database: Option<String>,
    /// The kind.
    pub(crate) kind: String,
    /// How many.
    pub(crate) objects: i64,
    /// When the newest of them was made or changed, as far as that was seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) changed_at: Option<Timestamp>,
}

/// Something that somebody should mend.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct SchemaFinding {
    /// `key_ending`, `sequence_ending`, `foreign_key_without_index`, `constraint_not_validated` or `extension_outdated`.
    pub(crate) code: String,
    /// The database.
    pub(crate) database: String,
    /// The object's name.
    pub(crate) name: String,
    /// The table that it is, or that it belongs to.
    pub(crate) relid: Option<i64>,
    /// What was seen, and what it means.
    pub(crate) message: String,
    /// What mends it, to be looked at before it is run; null where it takes more than a statement.
    pub(crate) fix: Option<String>,
    /// The share that is used up, 0 to 1, of what runs out.
    pub(crate) used: Option<f64>,
    /// Whether that is an estimate.
    pub(crate) estimated: bool,
    /// Bytes of the table, where that matters.
    pub(crate) size_bytes: Option<i64>,
}
