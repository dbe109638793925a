//! Custom sets: sets of the users' own (`x_…`) that administrators write here. A set has its files and says which
//! collectors it is for; they get it with their configuration, whose versions name the versions of sets in them.
//!
//! `definitions.rs` has those that collectors brought from their `CATALOG_DIR`, which may need an administrator's approval.

pub(crate) mod definitions;
pub(crate) mod http;
pub(crate) mod model;
pub(super) mod store;

use std::borrow::Cow;
use std::collections::BTreeMap;

use catalog::{DefinitionHash, SetFiles};
use model::{CustomSet, CustomSetVersion, CustomSetVersions, CustomSets};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::InForce;
use super::effective::{Labels, OwnSet};
use super::model::Why;
use super::store::labels;
use super::tag::tag;
use super::versioned::{Content, Kept, Named, Value};

impl Content for OwnSet {
    type One = CustomSet;
    type All = CustomSets;
    type Versions = CustomSetVersions;

    const TABLE: &'static str = "custom_sets";
    const COLUMNS: &'static [&'static str] = &["set_toml", "sql", "selector", "collectors", "note", "definition_hash"];
    const WHY: Why = Why::CustomSet;
    const ABSENT: &'static str = "No such custom set.";

    fn read(row: &Row, first: usize) -> Self {
        let sql = row.get::<_, Json<BTreeMap<String, String>>>(first + 1).0;
        Self {
            files: SetFiles { set: row.get(first), sql },
            selector: labels(row, first + 2),
            collectors: row.get::<_, Json<Vec<Uuid>>>(first + 3).0,
            note: row.get(first + 4),
        }
    }

    fn values(&self, name: &str) -> Vec<Value> {
        // Files that were taken can be read again.
        let definition = self.files.parse(name).map_or(DefinitionHash([0; 16]), |set| set.definition.hash());
        vec![
            Box::new(self.files.set.clone()),
            Box::new(Json(self.files.sql.clone())),
            Box::new(Json(self.selector.clone())),
            Box::new(Json(self.collectors.clone())),
            Box::new(self.note.clone()),
            Box::new(definition.0.to_vec()),
        ]
    }

    fn is_same(&self, other: &Self) -> bool {
        let of = |set: &Self| (set.files.clone(), set.selector.clone(), set.collectors.clone());
        of(self) == of(other)
    }

    fn tag(&self, name: &str, version: i64) -> String {
        tag(version, &[&self.files.hash(name)])
    }

    fn text(&self) -> Cow<'_, str> {
        let part = |file: &str, text: &str| format!("-- {file}\n{}\n", text.trim_end());
        let statements = self.files.sql.iter().map(|(version, text)| part(&format!("{version}.sql"), text));
        std::iter::once(part("set.toml", &self.files.set)).chain(statements).collect::<String>().into()
    }

    fn selector(&self) -> &Labels {
        &self.selector
    }

    fn is_for(&self, id: Uuid) -> bool {
        self.collectors.is_empty() || self.collectors.contains(&id)
    }

    fn among(in_force: &mut InForce) -> &mut Vec<Named<Self>> {
        &mut in_force.sets
    }

    fn one(kept: Kept<Self>) -> CustomSet {
        let (etag, hash) = (kept.named.tag(), kept.named.of.files.hash(&kept.named.name));
        let Kept { named: Named { name, version, of }, made_at, made_by, .. } = kept;
        let Self { files: SetFiles { set, sql }, selector, collectors, note } = of;
        CustomSet { name, version, set, sql, hash, selector, collectors, note, made_at, made_by, etag }
    }

    fn all(data: Vec<CustomSet>) -> CustomSets {
        CustomSets { count: data.len(), data }
    }

    fn versions(data: Vec<(Kept<Self>, String)>) -> CustomSetVersions {
        let told = |(kept, diff): (Kept<Self>, String)| {
            let is_deleted = kept.is_deleted;
            CustomSetVersion { of: Self::one(kept), is_deleted, diff }
        };
        CustomSetVersions { count: data.len(), data: data.into_iter().map(told).collect() }
    }
}
