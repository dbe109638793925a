//! Custom sets as they travel.

use std::collections::BTreeMap;

use catalog::{FilesError, Set, SetFiles};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::{ApiError, Detail};
use crate::steering::model::check_labels;

/// Collectors that a set may name.
const COLLECTORS_MOST: usize = 1000;
/// Longest note, in characters.
const NOTE_CHARACTERS_MOST: usize = 1000;

/// A set of the users' own.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSet {
    /// Its name; begins with `x_`.
    pub(crate) name: String,
    /// How often it was changed: 1 when it is new.
    pub(crate) version: i64,
    /// Its `set.toml`: what it measures.
    pub(crate) set: String,
    /// Its statements, by the lowest version of PostgreSQL that each serves.
    pub(crate) sql: BTreeMap<String, String>,
    /// What tells these words from others: an approval on a collector's machine is for it.
    pub(crate) hash: String,
    /// The labels that a collector must have; without any it is for all.
    pub(crate) selector: BTreeMap<String, String>,
    /// The collectors that it is for; without any for all.
    pub(crate) collectors: Vec<Uuid>,
    /// Why this version was made.
    pub(crate) note: Option<String>,
    /// When this version was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) made_at: Timestamp,
    /// The user who made it.
    pub(crate) made_by: Option<String>,
    /// Its `ETag`, for `If-Match`.
    pub(crate) etag: String,
}

/// All custom sets.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSets {
    /// By name.
    pub(crate) data: Vec<CustomSet>,
    /// How many there are.
    pub(crate) count: usize,
}

/// One version of a custom set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSetVersion {
    /// As it was.
    #[serde(flatten)]
    pub(crate) of: CustomSet,
    /// Whether it was removed.
    pub(crate) is_deleted: bool,
    /// What changed of its files, as a unified diff.
    pub(crate) diff: String,
}

/// All versions of a custom set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSetVersions {
    /// The newest first.
    pub(crate) data: Vec<CustomSetVersion>,
    /// How many there are.
    pub(crate) count: usize,
}

/// A custom set to write.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomSet {
    /// Its `set.toml`: what it measures.
    pub(crate) set: String,
    /// Its statements, by the lowest version of PostgreSQL that each serves, such as `12`.
    pub(crate) sql: BTreeMap<String, String>,
    /// The labels that a collector must have; without any it is for all.
    #[serde(default)]
    pub(crate) selector: BTreeMap<String, String>,
    /// The collectors that it is for; without any for all.
    #[serde(default)]
    pub(crate) collectors: Vec<Uuid>,
    /// Why it is made or changed.
    #[serde(default)]
    pub(crate) note: Option<String>,
}

impl NewCustomSet {
    /// The set, checked as a collector checks it.
    ///
    /// # Errors
    /// 400 with each place and reason.
    pub(super) fn check(&self, name: &str) -> Result<Set, ApiError> {
        let mut details = Vec::new();
        if !name.starts_with(catalog::USERS_PREFIX) {
            details.push(Detail::new("name", format!("expected a name that begins with {}", catalog::USERS_PREFIX)));
        }
        check_labels("selector", &self.selector, &mut details);
        if self.collectors.len() > COLLECTORS_MOST {
            details.push(Detail::new("collectors", format!("expected at most {COLLECTORS_MOST}")));
        }
        if self.note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARACTERS_MOST || note.contains('\0')) {
            details.push(Detail::new("note", format!("expected at most {NOTE_CHARACTERS_MOST} characters")));
        }
        if !details.is_empty() {
            return Err(ApiError::invalid(details));
        }
        self.files().parse(name).map_err(|error| refused(&error))
    }

    pub(super) fn files(&self) -> SetFiles {
        SetFiles { set: self.set.clone(), sql: self.sql.clone() }
    }
}

/// 400 with the file, the line and the reason.
fn refused(error: &FilesError) -> ApiError {
    let place = match (error.file.as_str(), error.line) {
        ("", _) => ".".to_owned(),
        (file, None) => file.to_owned(),
        (file, Some(line)) => format!("{file} line {line}"),
    };
    ApiError::bad_request("invalid_custom_set", format!("The set is refused: {error}."))
        .with_details(vec![Detail::new(place, error.reason.clone())])
}

/// How a set goes at the collectors that it is for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSetStates {
    /// By the collectors' names.
    pub(crate) data: Vec<CustomSetState>,
    /// How many there are.
    pub(crate) count: usize,
}

/// How a set goes at one collector.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSetState {
    /// The collector.
    pub(crate) collector_id: Uuid,
    /// Its name.
    pub(crate) collector: String,
    /// The version that it is to follow; null where the set was taken from it.
    pub(crate) version_wanted: Option<i64>,
    /// The version in the configuration that it follows; null while there is none in it.
    pub(crate) version_in_force: Option<i64>,
    /// Why it does not follow its newest configuration; null while it does.
    pub(crate) config_error: Option<String>,
    /// What its instances say of the set; those that said nothing yet are not here.
    pub(crate) instances: Vec<CustomSetInstance>,
}

/// What is said of a set at one instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomSetInstance {
    /// The instance.
    pub(crate) instance_id: i32,
    /// Its name.
    pub(crate) instance: String,
    /// `works`, `degraded`, `missing` or `error`.
    pub(crate) state: String,
    /// Why: `approval` where it is not allowed on the collector's machine yet, else as in the coverage of an instance.
    pub(crate) code: String,
    /// The reason.
    pub(crate) message: String,
    /// What mends it; empty where that is not known.
    pub(crate) fix: String,
    /// The last reading's time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_reading: Option<Timestamp>,
    /// Its rows.
    pub(crate) rows: Option<i32>,
}
