//! Templates as they travel.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{ApiError, Detail};
use crate::steering::model::check_labels;

/// Longest name of a template, in characters.
const NAME_CHARACTERS_MOST: usize = 100;

/// A template.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ConfigTemplate {
    /// Its name.
    pub(crate) name: String,
    /// How often it was changed: 1 when it is new.
    pub(crate) version: i64,
    /// What it sets, as TOML.
    pub(crate) text: String,
    /// The labels that a collector must have; without any it is for all.
    pub(crate) selector: BTreeMap<String, String>,
    /// Of two templates that say the same setting the one of higher priority wins, of equal ones the first by name.
    pub(crate) priority: i32,
    /// When this version was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) made_at: Timestamp,
    /// The user who made it.
    pub(crate) made_by: Option<String>,
    /// Its `ETag`, for `If-Match`.
    pub(crate) etag: String,
}

/// All templates.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ConfigTemplates {
    /// By name.
    pub(crate) data: Vec<ConfigTemplate>,
    /// How many there are.
    pub(crate) count: usize,
}

/// One version of a template.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TemplateVersion {
    /// As it was.
    #[serde(flatten)]
    pub(crate) of: ConfigTemplate,
    /// Whether it was removed.
    pub(crate) is_deleted: bool,
    /// What changed of its text, as a unified diff.
    pub(crate) diff: String,
}

/// All versions of a template.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TemplateVersions {
    /// The newest first.
    pub(crate) data: Vec<TemplateVersion>,
    /// How many there are.
    pub(crate) count: usize,
}

/// A template to write.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTemplate {
    /// What it sets, as TOML.
    pub(crate) text: String,
    /// The labels that a collector must have; without any it is for all.
    #[serde(default)]
    pub(crate) selector: BTreeMap<String, String>,
    /// Of two templates that say the same setting the one of higher priority wins.
    #[serde(default)]
    pub(crate) priority: i32,
}

impl NewTemplate {
    /// What is wrong with all but its text.
    ///
    /// # Errors
    /// 400 with each.
    pub(super) fn check(&self, name: &str) -> Result<(), ApiError> {
        let mut details = Vec::new();
        if let Err(reason) = catalog::names::check(name, NAME_CHARACTERS_MOST) {
            details.push(Detail::new("name", reason));
        }
        check_labels("selector", &self.selector, &mut details);
        if details.is_empty() { Ok(()) } else { Err(ApiError::invalid(details)) }
    }
}
