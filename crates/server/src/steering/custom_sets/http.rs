//! Custom sets over HTTP.

use std::sync::Arc;

use ::store::{CustomSets as Admission, DefinitionError};
use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use catalog::{DefinitionHash, Set, SetFiles};

use super::model::{CustomSet, CustomSetStates, CustomSetVersion, CustomSetVersions, CustomSets, NewCustomSet};
use super::store;
use crate::app::App;
use crate::http::{ApiError, Detail, JsonBody, PathValues, QueryValues, Reading, SignedIn};
use crate::steering::diff::diff;
use crate::steering::effective::{Labels, OwnSet};
use crate::steering::model::{CheckQuery, Why};
use crate::steering::planned::{Planned, refused_by, tell};
use crate::steering::store::{self as collectors, Among, Making, NewVersion};
use crate::steering::templates::model::TemplateChange;
use crate::steering::{InForce, names, tag};

/// All custom sets.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<CustomSets>, ApiError> {
    let data = store::all(&**app.pool.get().await?).await?;
    Ok(Json(CustomSets { count: data.len(), data }))
}

/// One custom set.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    PathValues(name): PathValues<String>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<CustomSet>), ApiError> {
    let set = in_force(store::newest(&**app.pool.get().await?, &name).await?).ok_or_else(no_such_set)?;
    Ok(([(ETAG, HeaderValue::try_from(&set.etag).map_err(ApiError::internal)?)], Json(set)))
}

fn in_force(newest: Option<(CustomSet, bool)>) -> Option<CustomSet> {
    newest.filter(|(_, is_deleted)| !is_deleted).map(|(set, _)| set)
}

/// All versions of a custom set.
pub(crate) async fn versions(
    State(app): State<Arc<App>>,
    PathValues(name): PathValues<String>,
) -> Result<Json<CustomSetVersions>, ApiError> {
    let versions = store::versions(&**app.pool.get().await?, &name).await?;
    if versions.is_empty() {
        return Err(no_such_set());
    }
    let told = move || {
        let texts: Vec<String> = versions
            .iter()
            .map(|(set, is_deleted)| if *is_deleted { String::new() } else { text(set) })
            .chain([String::new()])
            .collect();
        let told = versions.into_iter().zip(texts.windows(2)).map(|((of, is_deleted), texts)| {
            let diff = if let [now, before] = texts { diff(before, now) } else { String::new() };
            CustomSetVersion { of, is_deleted, diff }
        });
        told.collect::<Vec<_>>()
    };
    let data = tokio::task::spawn_blocking(told).await.map_err(ApiError::internal)?;
    Ok(Json(CustomSetVersions { count: data.len(), data }))
}

/// The files of a set as one text, for people.
fn text(set: &CustomSet) -> String {
    let part = |file: &str, text: &str| format!("-- {file}\n{}\n", text.trim_end());
    let statements = set.sql.iter().map(|(version, text)| part(&format!("{version}.sql"), text));
    std::iter::once(part("set.toml", &set.set)).chain(statements).collect()
}

/// How a custom set goes at its collectors.
pub(crate) async fn states(
    State(app): State<Arc<App>>,
    Reading(snapshot): Reading,
    PathValues(name): PathValues<String>,
) -> Result<Json<CustomSetStates>, ApiError> {
    let client = app.pool.get().await?;
    if store::newest(&**client, &name).await?.is_none() {
        return Err(no_such_set());
    }
    let data = store::states(&snapshot, &client, &name).await?;
    Ok(Json(CustomSetStates { count: data.len(), data }))
}

/// Makes a custom set, or changes it.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(name): PathValues<String>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewCustomSet>,
) -> Result<Json<TemplateChange>, ApiError> {
    if app.settings.custom_sets == Admission::Refuse {
        let message = "Custom sets are switched off on this server (CUSTOM_SETS=refuse).";
        return Err(ApiError::conflict("custom_sets_refused", message));
    }
    let set = new.check(&name)?;
    may_be_stored(&app, &set).await?;
    change(&app, &user, &name, &headers, Some((new, set)), query.check).await
}

/// Refuses what the store could not hold beside what it has of that set.
async fn may_be_stored(app: &App, set: &Set) -> Result<(), ApiError> {
    if app.catalog.get(set.name()).is_some() {
        let message = "This server's CATALOG_DIR has a set of this name.";
        return Err(ApiError::conflict("name_taken", message));
    }
    match app.store()?.check_definition(&set.definition).await {
        Ok(()) => Ok(()),
        Err(DefinitionError::Invalid { reason, .. }) => {
            let message = format!(
                "The set is refused: {reason}. What is stored of a set keeps its meaning: columns may be added or left out, \
                 and one that means something else gets another name, or the set does."
            );
            Err(ApiError::bad_request("invalid_custom_set", message)
                .with_details(vec![Detail::new("set.toml", reason)]))
        }
        Err(error @ DefinitionError::NeedsApproval { .. }) => Err(ApiError::internal(error)),
        Err(DefinitionError::Store(error)) => Err(ApiError::internal(error)),
    }
}

/// Removes a custom set. What was measured stays.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(name): PathValues<String>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
) -> Result<Json<TemplateChange>, ApiError> {
    change(&app, &user, &name, &headers, None, query.check).await
}

async fn change(
    app: &App,
    user: &SignedIn,
    name: &str,
    headers: &HeaderMap,
    new: Option<(NewCustomSet, Set)>,
    is_dry: bool,
) -> Result<Json<TemplateChange>, ApiError> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    collectors::lock(&transaction, if is_dry { Among::One } else { Among::All }).await?;
    let newest = store::newest(&*transaction, name).await?;
    let version = newest.as_ref().map_or(0, |(set, _)| set.version) + 1;
    let old = in_force(newest);
    tag::check(headers, old.as_ref().map(|old| old.etag.as_str()))?;
    let (old_key, old) = (old.as_ref().map(|old| (old.version, old.etag.clone())), old.map(OwnSet::from));
    let (made, definition, note) = match (new, &old) {
        (Some((new, set)), _) => {
            let (files, note) = (new.files(), new.note);
            let mut collectors = new.collectors;
            collectors.sort_unstable();
            collectors.dedup();
            let made = OwnSet { name: name.to_owned(), version, files, selector: new.selector, collectors };
            (Some(made), Some(set.definition.hash()), note)
        }
        (None, Some(_)) => (None, None, None),
        (None, None) => return Err(no_such_set()),
    };
    let is_same =
        |old: &OwnSet| made.as_ref().is_some_and(|made| OwnSet { version: old.version, ..made.clone() } == *old);
    let changed = !old.as_ref().is_some_and(is_same);

    let mut in_force = InForce::read(&*transaction).await?;
    if changed {
        in_force.sets.retain(|set| set.name != name);
        in_force.sets.extend(made.clone());
    }
    let selectors: Vec<&Labels> = old.iter().chain(&made).map(|set| &set.selector).collect();
    let mut steered = collectors::chosen(&transaction, &selectors).await?;
    steered.retain(|steered| old.iter().chain(&made).any(|set| set.applies_to(steered.id, &steered.labels)));
    let names = names(&app.catalog);
    let plan = move || steered.into_iter().map(|steered| Planned::new(&names, steered, &in_force)).collect();
    let planned: Vec<Planned> = tokio::task::spawn_blocking(plan).await.map_err(ApiError::internal)?;
    let refusing = planned.iter().filter(|planned| planned.plan.is_err()).count();
    if refusing > 0 && !is_dry {
        return Err(refused_by(&planned, refusing));
    }
    if changed && !is_dry {
        let now = app.clock.now();
        let is_deleted = made.is_none();
        // Of one that is removed its last files stay, for whoever looks.
        let kept = made.clone().or_else(|| old.map(|old| OwnSet { version, ..old }));
        if let Some(kept) = &kept {
            let hash = definition.unwrap_or_else(|| definition_of(&kept.files, name));
            let (note, made) = ((note.as_deref(), is_deleted), (now, user.username.as_str()));
            store::insert(&transaction, kept, hash, note, made).await?;
        }
        let making = Making { at: now, by: Some(&user.username), why: Why::CustomSet, restored_from: None };
        let versions: Vec<NewVersion> = planned.iter().filter_map(Planned::version).collect();
        collectors::insert(&transaction, &versions, making).await?;
        transaction.commit().await?;
    }
    let (version, etag) = if changed && !is_dry {
        (Some(version), made.map(|made| tag::tag(version, &[&made.files.hash(name)])))
    } else {
        old_key.unzip()
    };
    let told = tokio::task::spawn_blocking(move || TemplateChange { version, etag, changed, ..tell(planned) });
    Ok(Json(told.await.map_err(ApiError::internal)?))
}

/// The hash of the definition in files that were taken before.
fn definition_of(files: &SetFiles, name: &str) -> DefinitionHash {
    files.parse(name).map_or(DefinitionHash([0; 16]), |set| set.definition.hash())
}

fn no_such_set() -> ApiError {
    ApiError::not_found("No such custom set.")
}
