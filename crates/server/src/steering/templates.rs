//! Templates: what many collectors have in common. A template has a text and the labels that a collector must have for
//! it.

pub(crate) mod http;
pub(crate) mod model;

use std::borrow::Cow;

use model::{ConfigTemplate, ConfigTemplates, TemplateVersion, TemplateVersions};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::InForce;
use super::effective::{Labels, Template};
use super::model::Why;
use super::store::labels;
use super::tag::tag;
use super::versioned::{Content, Kept, Named, Value};

impl Content for Template {
    type One = ConfigTemplate;
    type All = ConfigTemplates;
    type Versions = TemplateVersions;

    const TABLE: &'static str = "config_templates";
    const COLUMNS: &'static [&'static str] = &["text", "selector", "priority"];
    const WHY: Why = Why::Template;
    const ABSENT: &'static str = "No such template.";

    fn read(row: &Row, first: usize) -> Self {
        Self { text: row.get(first), selector: labels(row, first + 1), priority: row.get(first + 2) }
    }

    fn values(&self, _: &str) -> Vec<Value> {
        vec![Box::new(self.text.clone()), Box::new(Json(self.selector.clone())), Box::new(self.priority)]
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }

    fn tag(&self, _: &str, version: i64) -> String {
        tag(version, &[&self.text])
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.text)
    }

    fn selector(&self) -> &Labels {
        &self.selector
    }

    fn among(in_force: &mut InForce) -> &mut Vec<Named<Self>> {
        &mut in_force.templates
    }

    fn one(kept: Kept<Self>) -> ConfigTemplate {
        let etag = kept.named.tag();
        let Kept { named: Named { name, version, of: Self { text, selector, priority } }, made_at, made_by, .. } = kept;
        ConfigTemplate { name, version, text, selector, priority, made_at, made_by, etag }
    }

    fn all(data: Vec<ConfigTemplate>) -> ConfigTemplates {
        ConfigTemplates { count: data.len(), data }
    }

    fn versions(data: Vec<(Kept<Self>, String)>) -> TemplateVersions {
        let told = |(kept, diff): (Kept<Self>, String)| {
            let is_deleted = kept.is_deleted;
            TemplateVersion { of: Self::one(kept), is_deleted, diff }
        };
        TemplateVersions { count: data.len(), data: data.into_iter().map(told).collect() }
    }
}
