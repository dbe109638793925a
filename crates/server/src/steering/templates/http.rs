//! Templates over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use config::Config;

use super::model::{ConfigTemplate, ConfigTemplates, NewTemplate, TemplateChange, TemplateVersion, TemplateVersions};
use super::store;
use crate::app::App;
use crate::http::{ApiError, JsonBody, PathValues, QueryValues, SignedIn};
use crate::steering::diff::diff;
use crate::steering::effective::{Labels, Template};
use crate::steering::model::{CheckQuery, Why};
use crate::steering::planned::{Planned, refused_by, tell};
use crate::steering::store::{self as collectors, Among, Making, NewVersion};
use crate::steering::{InForce, names, refused, tag};

/// All templates.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<ConfigTemplates>, ApiError> {
    let data = store::all(&**app.pool.get().await?).await?;
    Ok(Json(ConfigTemplates { count: data.len(), data }))
}

/// One template.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    PathValues(name): PathValues<String>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<ConfigTemplate>), ApiError> {
    let newest = store::newest(&**app.pool.get().await?, &name).await?;
    let template = kept(newest).ok_or_else(no_such_template)?;
    Ok(([(ETAG, HeaderValue::try_from(&template.etag).map_err(ApiError::internal)?)], Json(template)))
}

fn kept(newest: Option<(ConfigTemplate, bool)>) -> Option<ConfigTemplate> {
    newest.filter(|(_, is_deleted)| !is_deleted).map(|(template, _)| template)
}

/// All versions of a template.
pub(crate) async fn versions(
    State(app): State<Arc<App>>,
    PathValues(name): PathValues<String>,
) -> Result<Json<TemplateVersions>, ApiError> {
    let versions = store::versions(&**app.pool.get().await?, &name).await?;
    if versions.is_empty() {
        return Err(no_such_template());
    }
    let told = move || {
        let before = versions.iter().skip(1).map(|(template, _)| template.text.as_str()).chain([""]);
        let told = versions.iter().zip(before).map(|((template, is_deleted), before)| TemplateVersion {
            of: template.clone(),
            is_deleted: *is_deleted,
            diff: diff(before, if *is_deleted { "" } else { &template.text }),
        });
        told.collect::<Vec<_>>()
    };
    let data = tokio::task::spawn_blocking(told).await.map_err(ApiError::internal)?;
    Ok(Json(TemplateVersions { count: data.len(), data }))
}

/// Makes a template, or changes it.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(name): PathValues<String>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewTemplate>,
) -> Result<Json<TemplateChange>, ApiError> {
    new.check(&name)?;
    Config::check_written(&new.text, &names(&app.catalog)).map_err(|error| refused(&error))?;
    change(&app, &user, &name, &headers, Some(new), query.check).await
}

/// Removes a template.
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
    new: Option<NewTemplate>,
    is_dry: bool,
) -> Result<Json<TemplateChange>, ApiError> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    collectors::lock(&transaction, if is_dry { Among::One } else { Among::All }).await?;
    let newest = store::newest(&*transaction, name).await?;
    let version = newest.as_ref().map_or(0, |(template, _)| template.version) + 1;
    let old = kept(newest);
    tag::check(headers, old.as_ref().map(|old| old.etag.as_str()))?;
    let (old_key, old) = (old.as_ref().map(|old| (old.version, old.etag.clone())), old.map(Template::from));
    let made = match (&new, &old) {
        (Some(new), _) => Template {
            name: name.to_owned(),
            version,
            text: new.text.clone(),
            selector: new.selector.clone(),
            priority: new.priority,
        },
        (None, Some(old)) => Template { version, ..old.clone() },
        (None, None) => return Err(no_such_template()),
    };
    let is_deleted = new.is_none();
    let is_same = |old: &Template| {
        (&old.text, &old.selector, old.priority) == (&made.text, &made.selector, made.priority) && !is_deleted
    };
    let changed = !old.as_ref().is_some_and(is_same);

    let mut in_force = InForce::read(&*transaction).await?;
    in_force.templates.retain(|template| template.name != name);
    if !is_deleted {
        in_force.templates.push(if changed { made.clone() } else { Template { version: version - 1, ..made.clone() } });
    }
    let selectors: Vec<&Labels> = old.iter().map(|old| &old.selector).chain([&made.selector]).collect();
    let steered = collectors::chosen(&transaction, &selectors).await?;
    let names = names(&app.catalog);
    let plan = move || steered.into_iter().map(|steered| Planned::new(&names, steered, &in_force)).collect();
    let planned: Vec<Planned> = tokio::task::spawn_blocking(plan).await.map_err(ApiError::internal)?;
    let refusing = planned.iter().filter(|planned| planned.plan.is_err()).count();
    if refusing > 0 && !is_dry {
        return Err(refused_by(&planned, refusing));
    }
    if changed && !is_dry {
        let now = app.clock.now();
        store::insert(&transaction, &made, is_deleted, now, &user.username).await?;
        let making = Making { at: now, by: Some(&user.username), why: Why::Template, restored_from: None };
        let versions: Vec<NewVersion> = planned.iter().filter_map(Planned::version).collect();
        collectors::insert(&transaction, &versions, making).await?;
        transaction.commit().await?;
    }
    let (version, etag) = if changed && !is_dry {
        (Some(version), (!is_deleted).then(|| tag::tag(version, &[&made.text])))
    } else {
        old_key.unzip()
    };
    let told = tokio::task::spawn_blocking(move || TemplateChange { version, etag, changed, ..tell(planned) });
    Ok(Json(told.await.map_err(ApiError::internal)?))
}

fn no_such_template() -> ApiError {
    ApiError::not_found("No such template.")
}
