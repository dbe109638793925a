//! What is measured: the catalogue of this server, and the sets that users brought.

use crate::reader::Snapshot;
use catalog::{Catalog, Column, Definition, Kind, Scope, Set, SetKind, Type, Unit};
use serde::Serialize;
use utoipa::ToSchema;

/// What is measured.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasuredSets {
    /// The sets, by name.
    data: Vec<MeasuredSet>,
    /// How many there are.
    count: usize,
}

/// A set.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasuredSet {
    /// Its name.
    set: String,
    /// One sentence.
    help: String,
    /// Where it is read.
    #[schema(value_type = String)]
    scope: Scope,
    /// How it is kept.
    #[schema(value_type = String)]
    kind: SetKind,
    /// The plug-in that switches and times it; null for a set that is not in this server's catalogue.
    group: Option<String>,
    /// Seconds between two readings unless configured otherwise.
    interval_seconds: Option<u32>,
    /// On which role of an instance it is read.
    role: Option<String>,
    /// The extension that it reads; its versions are then that extension's.
    extension: Option<String>,
    /// The versions from which another statement is used; the first is the lowest that is supported.
    versions: Vec<String>,
    /// Its columns: those of all its definitions.
    columns: Vec<MeasuredColumn>,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeasuredColumn {
    /// Its name.
    name: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    column_type: Type,
    /// What its values mean over time.
    #[schema(value_type = String)]
    kind: Kind,
    /// Its unit.
    #[schema(value_type = String)]
    unit: Unit,
    /// One sentence.
    help: String,
    /// The setting without which it is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_setting: Option<String>,
    /// The version from which it is known, where that is above the set's lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

pub(crate) fn all(snapshot: &Snapshot) -> MeasuredSets {
    let data: Vec<MeasuredSet> =
        snapshot.definitions().sets().iter().map(|known| describe(snapshot.catalog(), &known.definition)).collect();
    MeasuredSets { count: data.len(), data }
}

pub(crate) fn one(snapshot: &Snapshot, name: &str) -> Option<MeasuredSet> {
    snapshot.definitions().set(name).map(|known| describe(snapshot.catalog(), &known.definition))
}

fn describe(catalog: &Catalog, definition: &Definition) -> MeasuredSet {
    let set: Option<&Set> = catalog.get(&definition.name);
    MeasuredSet {
        set: definition.name.clone(),
        help: definition.help.clone(),
        scope: definition.scope,
        kind: definition.kind(),
        group: set.map(|set| set.group.clone()),
        interval_seconds: set.map(|set| set.interval_seconds),
        role: set.map(|set| set.role.to_string()),
        extension: set.and_then(|set| set.extension.clone()),
        versions: set.map(|set| set.sql.keys().map(ToString::to_string).collect()).unwrap_or_default(),
        columns: definition.columns.iter().map(column).collect(),
    }
}

pub(crate) fn column(column: &Column) -> MeasuredColumn {
    MeasuredColumn {
        name: column.name.clone(),
        column_type: column.column_type,
        kind: column.kind,
        unit: column.unit,
        help: column.help.clone(),
        requires_setting: column.requires_setting.clone(),
        since: column.since.map(|version| version.to_string()),
    }
}
