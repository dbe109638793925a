//! Configurations of collectors as they travel.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::{ApiError, Detail};

/// Labels that a collector may have.
const LABELS_MOST: usize = 50;
/// Longest name of a label, in characters.
const LABEL_CHARACTERS_MOST: usize = 63;
/// Longest value of a label, in characters.
const VALUE_CHARACTERS_MOST: usize = 255;

/// Which text is asked for.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigQuery {
    /// Only what is written for this collector alone, without the templates under it.
    #[serde(default)]
    pub(crate) written: bool,
}

/// Whether something is done, or only what would come of it is said.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckQuery {
    /// Changes nothing, and says what would come of it.
    #[serde(default)]
    pub(crate) check: bool,
}

/// A template that is under a collector's configuration, or a custom set in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AppliedTemplate {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: i64,
}

/// Why there is a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Why {
    /// Somebody wrote it.
    Written,
    /// Somebody restored what was written in an earlier version.
    Restored,
    /// A template was changed or removed.
    Template,
    /// The collector's labels were changed.
    Labels,
    /// The collector registered, and a template or a custom set is for it.
    Registered,
    /// A custom set was changed or removed.
    #[serde(rename = "custom_set")]
    CustomSet,
}

impl Why {
    pub(super) const ALL: [Self; 6] =
        [Self::Written, Self::Restored, Self::Template, Self::Labels, Self::Registered, Self::CustomSet];

    /// As it is stored.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Restored => "restored",
            Self::Template => "template",
            Self::Labels => "labels",
            Self::Registered => "registered",
            Self::CustomSet => "custom_set",
        }
    }
}

/// One version of a collector's configuration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ConfigVersion {
    /// Its number, from 1 for each collector.
    pub(crate) version: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) made_at: Timestamp,
    /// The user who made it; null where the server did.
    pub(crate) made_by: Option<String>,
    /// Why.
    pub(crate) why: Why,
    /// The version whose text it has again, where that was restored.
    pub(crate) restored_from: Option<i64>,
    /// What was under it, the lowest first.
    pub(crate) templates: Vec<AppliedTemplate>,
    /// The custom sets in it, by name.
    pub(crate) custom_sets: Vec<AppliedTemplate>,
    /// What it changed of what the collector gets, as a unified diff; where that is the same, of what is written.
    pub(crate) diff: String,
}

/// One version with its texts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ConfigVersionTexts {
    /// The version.
    #[serde(flatten)]
    pub(crate) of: ConfigVersion,
    /// What is written for the collector alone.
    pub(crate) written: String,
    /// What the collector gets: that over the templates.
    pub(crate) effective: String,
    /// Its `ETag`, for `If-Match`.
    pub(crate) etag: String,
}

/// What a change comes to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ConfigChange {
    /// The newest version, after the change where it is made; null where there is none.
    pub(crate) version: Option<i64>,
    /// Its `ETag`, for `If-Match`.
    pub(crate) etag: Option<String>,
    /// Whether that is a new one, or would be.
    pub(crate) changed: bool,
    /// What the collector gets.
    pub(crate) effective: String,
    /// What is under it, the lowest first.
    pub(crate) templates: Vec<AppliedTemplate>,
    /// The custom sets in it, by name.
    pub(crate) custom_sets: Vec<AppliedTemplate>,
    /// What changes, as a unified diff.
    pub(crate) diff: String,
}

/// Labels for a collector, in place of those it has.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLabels {
    /// By their names.
    pub(crate) labels: BTreeMap<String, String>,
}

impl NewLabels {
    /// What is wrong with them.
    ///
    /// # Errors
    /// 400 with each.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut details = Vec::new();
        check_labels("labels", &self.labels, &mut details);
        if details.is_empty() { Ok(()) } else { Err(ApiError::invalid(details)) }
    }
}

/// Notes what is wrong with labels.
pub(super) fn check_labels(path: &str, labels: &BTreeMap<String, String>, details: &mut Vec<Detail>) {
    if labels.len() > LABELS_MOST {
        details.push(Detail::new(path, format!("expected at most {LABELS_MOST}")));
    }
    let mut seen = BTreeSet::new();
    for (label, value) in labels {
        if !seen.insert(catalog::names::key(label)) {
            let reason = "expected one label of this name: another one differs in capital letters only";
            details.push(Detail::new(format!("{path}.{label}"), reason));
        }
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
        if !(1..=LABEL_CHARACTERS_MOST).contains(&label.len()) || !label.chars().all(is_word) {
            let reason = format!("expected a name of 1 to {LABEL_CHARACTERS_MOST} letters, digits, and any of _.-/");
            details.push(Detail::new(format!("{path}.{label}"), reason));
        }
        let is_unfit = |letter: char| letter == ',' || catalog::is_invisible(letter);
        if value.chars().count() > VALUE_CHARACTERS_MOST || value.trim() != value || value.chars().any(is_unfit) {
            let reason = format!(
                "expected a value of at most {VALUE_CHARACTERS_MOST} characters of which all is seen, without commas, and blanks around it"
            );
            details.push(Detail::new(format!("{path}.{label}"), reason));
        }
    }
}

/// A collector as templates concern it.
#[derive(Clone, Debug)]
pub(super) struct Steered {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The newest version, with its texts.
    pub(super) newest: Option<Newest>,
}

/// The newest version.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    pub(super) version: i64,
    pub(super) written: String,
    pub(super) effective: String,
}

/// The entity tag of a version.
pub(super) fn tag(version: i64, written: &str, effective: &str) -> String {
    super::tag::tag(version, &[written, effective])
}

impl Newest {
    /// Its entity tag.
    pub(super) fn tag(&self) -> String {
        tag(self.version, &self.written, &self.effective)
    }
}

impl Steered {
    /// What is written for it alone.
    pub(super) fn written(&self) -> &str {
        self.newest.as_ref().map_or("", |newest| &newest.written)
    }

    /// The number of the version that comes next.
    pub(super) fn next_version(&self) -> i64 {
        self.newest.as_ref().map_or(0, |newest| newest.version) + 1
    }

    /// What it gets.
    pub(super) fn effective(&self) -> &str {
        self.newest.as_ref().map_or("", |newest| &newest.effective)
    }
}
