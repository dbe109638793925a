//! What can be read of an instance, from what the collector said and from what arrived.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Catalog;

use super::model::{ColumnCoverage, NotReadable, SetAndColumns, SetCoverage};
use super::store::{LatestReading, SetState};
use crate::queries::model::{Reason, Unmeasured};
use crate::relations::model::Unreadable;

/// What is said of a set that was read once.
const NO_LONGER: &str = "The collector does not read it any more.";

/// Reasons that someone can remove: what a version or a role does not have is not missing.
const MENDABLE: [&str; 3] = ["privilege", "extension", "failed"];

/// A reason with where its SQL is run: of what mends it a standby takes settings only.
pub(crate) fn with_place(message: String, fix: Option<&str>, role: Option<&str>) -> String {
    let is_of_primary = fix.is_some_and(|sql| !sql.starts_with("alter system") && !sql.starts_with("--"));
    if is_of_primary && role == Some("standby") {
        format!("{message} A standby is read-only: run what mends it on the primary.")
    } else {
        message
    }
}

/// Every set that something is known of, by name.
pub(crate) fn sets(
    catalog: &Catalog,
    states: &[SetState],
    latest: &BTreeMap<String, LatestReading>,
) -> Vec<SetCoverage> {
    let whole: BTreeMap<&str, &SetState> =
        states.iter().filter(|state| state.column.is_empty()).map(|state| (state.set.as_str(), state)).collect();
    let names: BTreeSet<&str> = whole.keys().copied().chain(latest.keys().map(String::as_str)).collect();
    names
        .into_iter()
        .map(|name| {
            let reading = latest.get(name);
            let failed = reading.and_then(failure);
            let said = whole.get(name);
            let works = said.is_none_or(|state| state.state == "works");
            // A set of the users' own of which the collector says nothing any more was taken away.
            let is_gone = said.is_none() && !states.is_empty() && catalog.get(name).is_none();
            let (state, code, message) = match failed {
                _ if is_gone => ("missing", Some("disabled".to_owned()), Some(NO_LONGER.to_owned())),
                Some(error) if works => ("error", Some("failed".to_owned()), Some(error.to_owned())),
                _ => (
                    said.map_or("works", |state| state.state.as_str()),
                    said.map(|state| state.code.clone()),
                    said.map(|state| state.message.clone()),
                ),
            };
            SetCoverage {
                set: name.to_owned(),
                state: state.to_owned(),
                code: code.filter(|code| !code.is_empty()),
                message: message.filter(|message| !message.is_empty()),
                fix: said.and_then(|state| state.fix.clone()),
                since_version: catalog
                    .get(name)
                    .and_then(|set| set.lowest_version())
                    .map(|version| version.to_string()),
                last_reading: reading.and_then(|reading| reading.time),
                interval_seconds: interval_seconds(catalog, name, reading),
            }
        })
        .collect()
}

/// Why the newest reading failed, if it did.
fn failure(reading: &LatestReading) -> Option<&str> {
    let at = reading.error_at?;
    reading.error.as_deref().filter(|_| reading.started.is_none_or(|success| at > success))
}

fn interval_seconds(catalog: &Catalog, set: &str, reading: Option<&LatestReading>) -> Option<i64> {
    let measured = reading.and_then(|reading| reading.interval_us).map(|us| ((us + 500_000) / 1_000_000).max(1));
    measured.or_else(|| catalog.get(set).map(|set| i64::from(set.interval_seconds)))
}

/// Every set with the columns that are not whole.
pub(crate) fn with_columns(catalog: &Catalog, sets: Vec<SetCoverage>, states: &[SetState]) -> Vec<SetAndColumns> {
    sets.into_iter()
        .map(|whole| {
            let columns = states
                .iter()
                .filter(|state| state.set == whole.set && !state.column.is_empty() && state.state != "works")
                .map(|state| ColumnCoverage {
                    column: state.column.clone(),
                    state: state.state.clone(),
                    code: state.code.clone(),
                    message: state.message.clone(),
                    fix: state.fix.clone(),
                    since_version: column_since(catalog, &state.set, &state.column),
                    since: state.since,
                })
                .collect();
            SetAndColumns { whole, columns }
        })
        .collect()
}

fn column_since(catalog: &Catalog, set: &str, column: &str) -> Option<String> {
    let (_, column) = catalog.get(set)?.definition.column(column)?;
    column.since.map(|version| version.to_string())
}

/// What should be readable and is not. Columns of a set that is concerned as a whole are not named again.
pub(crate) fn not_readable(states: &[SetState]) -> Vec<NotReadable> {
    let concerned = |state: &&SetState| state.state != "works" && MENDABLE.contains(&state.code.as_str());
    let sets: BTreeSet<&str> = states
        .iter()
        .filter(concerned)
        .filter(|state| state.column.is_empty())
        .map(|state| state.set.as_str())
        .collect();
    states
        .iter()
        .filter(concerned)
        .filter(|state| state.column.is_empty() || !sets.contains(state.set.as_str()))
        .map(|state| NotReadable {
            set: state.set.clone(),
            column: Some(state.column.clone()).filter(|column| !column.is_empty()),
            code: state.code.clone(),
            message: state.message.clone(),
            fix: state.fix.clone(),
        })
        .collect()
}

/// What of these sets cannot be read, in whole or in some databases, for a reason that someone can remove.
pub(crate) fn unreadable(states: &[SetState], sets: &[&str]) -> Vec<Unreadable> {
    let whole = not_readable(states).into_iter().filter(|state| state.column.is_none());
    let wanted = whole.filter(|state| sets.contains(&state.set.as_str()));
    wanted.map(|NotReadable { set, code, message, fix, .. }| Unreadable { set, code, message, fix }).collect()
}

/// Why a column of a set, or the set as a whole (an empty name), has no values.
pub(crate) fn why_missing<'a>(states: &'a [SetState], set: &str, column: &str) -> Option<&'a SetState> {
    let is_missing = |state: &&SetState| state.set == set && matches!(state.state.as_str(), "missing" | "error");
    let of = |name: &str| states.iter().filter(is_missing).find(|state| state.column == name);
    of("").or_else(|| of(column))
}

/// Notes under `key` why a column of a set has no values, if that is known.
pub(crate) fn note_missing(unmeasured: &mut Unmeasured, key: &str, states: &[SetState], set: &str, column: &str) {
    if let Some(state) = why_missing(states, set, column) {
        let reason = Reason { code: state.code.clone(), message: state.message.clone(), fix: state.fix.clone() };
        unmeasured.insert(key.to_owned(), reason);
    }
}

#[cfg(test)]
mod tests {
    use super::with_place;

    #[test]
    fn what_a_standby_cannot_run_is_run_on_its_primary() {
        let told = |fix, role| with_place("May not.".to_owned(), fix, role);
        let elsewhere = "May not. A standby is read-only: run what mends it on the primary.";
        for fix in ["grant pg_monitor to p;", "create extension x;", "alter extension x update;"] {
            assert_eq!(told(Some(fix), Some("standby")), elsewhere);
            assert_eq!(told(Some(fix), Some("primary")), "May not.");
            assert_eq!(told(Some(fix), None), "May not.");
        }
        assert_eq!(told(Some("alter system set track_io_timing = on;"), Some("standby")), "May not.");
        assert_eq!(told(Some("-- stop PostgreSQL, then: pg_checksums --enable"), Some("standby")), "May not.");
        assert_eq!(told(None, Some("standby")), "May not.");
    }
}
