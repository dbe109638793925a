//! What a change that concerns many collectors comes to for each of them.

use config::Names;

use super::InForce;
use super::diff::diff;
use super::effective::Effective;
use super::model::Steered;
use super::store::{self, NewVersion};
use super::versioned::model::{Outcome, TemplateChange};
use crate::http::{ApiError, Detail};

/// Collectors for which it is shown what they get.
const OUTCOMES_MOST: usize = 100;

/// A collector, and what comes of the change for it.
pub(super) struct Planned {
    steered: Steered,
    pub(super) plan: Result<(Effective, bool), config::ConfigError>,
}

impl Planned {
    pub(super) fn new(names: &Names, steered: Steered, in_force: &InForce) -> Self {
        let plan = store::plan(names, &steered, None, &steered.labels, in_force);
        Self { steered, plan }
    }

    fn is_changed(&self) -> bool {
        self.plan.as_ref().is_ok_and(|(_, is_new)| *is_new)
    }

    /// The version that it makes, where it changes something.
    pub(super) fn version(&self) -> Option<NewVersion> {
        let (effective, _) = self.plan.as_ref().ok().filter(|(_, is_new)| *is_new)?;
        Some(NewVersion {
            collector_id: self.steered.id,
            version: self.steered.next_version(),
            written: self.steered.written().to_owned(),
            effective: effective.clone(),
        })
    }
}

/// 400 with the reasons of those that would refuse what they get.
pub(super) fn refused_by(planned: &[Planned], refusing: usize) -> ApiError {
    let reasons = planned.iter().filter_map(|planned| Some((&planned.steered.name, planned.plan.as_ref().err()?)));
    let details: Vec<Detail> =
        reasons.take(OUTCOMES_MOST).map(|(name, error)| Detail::new(name.clone(), error.reason.clone())).collect();
    let first = details.first().map_or_else(String::new, |first| format!("{}: {}", first.path, first.reason));
    let message = format!("{refusing} of {} collectors would refuse what they get. {first}", planned.len());
    ApiError::bad_request("invalid_configuration", message).with_details(details)
}

/// What it comes to for collectors.
pub(super) fn tell(mut planned: Vec<Planned>) -> TemplateChange {
    // The order among equals stays: by name.
    planned.sort_by_key(|planned| (planned.plan.is_ok(), !planned.is_changed()));
    let outcome = |planned: &Planned| {
        let steered = &planned.steered;
        let (error, effective, templates) = match &planned.plan {
            Ok((effective, _)) => (None, effective.text.clone(), effective.templates.clone()),
            Err(error) => (Some(error.to_string()), String::new(), Vec::new()),
        };
        let diff = if error.is_none() { diff(steered.effective(), &effective) } else { String::new() };
        let (collector_id, collector) = (steered.id, steered.name.clone());
        Outcome { collector_id, collector, error, changed: planned.is_changed(), effective, templates, diff }
    };
    TemplateChange {
        version: None,
        etag: None,
        changed: false,
        collectors: planned.len(),
        collectors_changed: planned.iter().filter(|planned| planned.is_changed()).count(),
        collectors_refusing: planned.iter().filter(|planned| planned.plan.is_err()).count(),
        outcomes: planned.iter().take(OUTCOMES_MOST).map(outcome).collect(),
    }
}
