//! What a change comes to, as it travels.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::steering::model::AppliedTemplate;

/// What a change of a template or a custom set comes to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TemplateChange {
    /// Its newest version, after the change where it is made; null where there is none.
    pub(crate) version: Option<i64>,
    /// Its `ETag`, for `If-Match`; null also where it was removed.
    pub(crate) etag: Option<String>,
    /// Whether that is a new one, or would be.
    pub(crate) changed: bool,
    /// Collectors that it is for, or was until now.
    pub(crate) collectors: usize,
    /// How many of those get something else.
    pub(crate) collectors_changed: usize,
    /// How many of those would refuse what they get. Then the change is refused as a whole.
    pub(crate) collectors_refusing: usize,
    /// What each of them gets in the end: first those that would refuse it, then those for which something changes. At
    /// most 100.
    pub(crate) outcomes: Vec<Outcome>,
}

/// What a collector gets in the end.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Outcome {
    /// The collector.
    pub(crate) collector_id: Uuid,
    /// Its name.
    pub(crate) collector: String,
    /// Why it would refuse it; null where it would not.
    pub(crate) error: Option<String>,
    /// Whether it gets something else than before.
    pub(crate) changed: bool,
    /// What it gets; empty where it would refuse it.
    pub(crate) effective: String,
    /// What is under its own, the lowest first.
    pub(crate) templates: Vec<AppliedTemplate>,
    /// What changes, as a unified diff.
    pub(crate) diff: String,
}
