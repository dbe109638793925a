//! What has a name and is for many collectors: templates and custom sets. Each change of one is a version; versions are
//! never changed or removed, also where what they are of is. What a change comes to for each collector is said before it
//! is made (`?check=true`), and one that was made from an older version is refused (`If-Match`).
//!
//! A kind of them says what it is made of ([`Content`]); all else is here once.

pub(crate) mod http;
pub(crate) mod model;
pub(super) mod store;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::InForce;
use super::effective::Labels;
use super::model::Why;

/// One by its name, as it is in a version.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    pub(super) name: String,
    /// How often it was changed: 1 when it is new.
    pub(super) version: i64,
    pub(super) of: T,
}

/// A version as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    pub(super) named: Named<T>,
    /// Whether it was removed by this version, which has what was there last.
    pub(super) is_deleted: bool,
    pub(super) made_at: Timestamp,
    pub(super) made_by: Option<String>,
}

impl<T: Content> Kept<T> {
    fn in_force(self) -> Option<Named<T>> {
        (!self.is_deleted).then_some(self.named)
    }
}

impl<T: Content> Named<T> {
    /// Its entity tag.
    pub(super) fn tag(&self) -> String {
        self.of.tag(&self.name, self.version)
    }
}

/// A parameter of a statement.
pub(crate) type Value = Box<dyn ToSql + Sync + Send>;

/// What one of a kind is made of.
pub(crate) trait Content: Clone + Send + Sync + 'static {
    /// One as it travels.
    type One: Serialize + Send + 'static;
    /// All of them.
    type All: Serialize;
    /// All versions of one.
    type Versions: Serialize + Send + 'static;

    /// The table of versions.
    const TABLE: &'static str;
    /// Its columns besides those that every kind has.
    const COLUMNS: &'static [&'static str];
    /// What a collector's configuration says of a change of it.
    const WHY: Why;
    /// Where there is none.
    const ABSENT: &'static str;

    /// From its columns, which begin with this one.
    fn read(row: &Row, first: usize) -> Self;
    /// The values of its columns.
    fn values(&self, name: &str) -> Vec<Value>;
    /// Whether a change to it would change nothing.
    fn is_same(&self, other: &Self) -> bool;
    /// Its entity tag in a version.
    fn tag(&self, name: &str, version: i64) -> String;
    /// What is compared, as people read it.
    fn text(&self) -> Cow<'_, str>;
    /// The labels that a collector must have.
    fn selector(&self) -> &Labels;
    /// Whether it is for this collector, if the labels are right.
    fn is_for(&self, _: Uuid) -> bool {
        true
    }
    /// Whether it is for a collector.
    fn applies_to(&self, id: Uuid, labels: &Labels) -> bool {
        self.is_for(id) && self.selector().iter().all(|(label, value)| labels.get(label) == Some(value))
    }
    /// Those of its kind among all that is in force.
    fn among(in_force: &mut InForce) -> &mut Vec<Named<Self>>;

    fn one(kept: Kept<Self>) -> Self::One;
    fn all(data: Vec<Self::One>) -> Self::All;
    /// Versions with what each changed.
    fn versions(data: Vec<(Kept<Self>, String)>) -> Self::Versions;
}
