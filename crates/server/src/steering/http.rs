//! Configurations and labels of collectors over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use config::Config;
use uuid::Uuid;

use super::diff::{aside, diff};
use super::effective::Labels;
use super::model::{CheckQuery, ConfigChange, ConfigQuery, ConfigVersion, ConfigVersionTexts, NewLabels, Newest, Why};
use super::store::{self, Compared, Making};
use super::{InForce, names, refused, tag};
use crate::app::App;
use crate::http::{ApiError, Caller, JsonBody, Page, Paging, PathValues, QueryValues, SignedIn};

/// What configurations are, as `Content-Type`.
pub const TOML: &str = "application/toml";

const X_CONFIG_VERSION: HeaderName = HeaderName::from_static("x-config-version");

/// The text that a collector is to follow.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    PathValues(id): PathValues<Uuid>,
    QueryValues(query): QueryValues<ConfigQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Caller::Collector(collector) = caller
        && collector.id != id
    {
        let message = "This is another collector's configuration: a collector reads its own only.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "wrong_collector", message));
    }
    let newest = store::newest(&app.pool.get().await?, id).await?;
    let newest = newest.ok_or_else(|| {
        // Told from whatever else is not found: a collector gives up what it follows for this one only.
        let message = "There is no configuration for this collector.";
        ApiError::new(StatusCode::NOT_FOUND, "no_configuration", message)
    })?;
    let tags = tags(&newest)?;
    if tag::is_known(&headers, &newest.tag()) {
        return Ok((StatusCode::NOT_MODIFIED, tags).into_response());
    }
    let text = if query.written { newest.written } else { newest.effective };
    Ok((tags, [(CONTENT_TYPE, TOML)], text).into_response())
}

fn tags(newest: &Newest) -> Result<[(HeaderName, HeaderValue); 2], ApiError> {
    Ok([tag::header(&newest.tag())?, (X_CONFIG_VERSION, HeaderValue::from(newest.version))])
}

/// Writes the configuration of one collector.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(id): PathValues<Uuid>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(|rejection| ApiError::from_status(rejection.status()))?;
    let text = Config::text(body.into()).map_err(|error| refused(&error))?;
    let new = New { written: Some(text), labels: None, why: Why::Written, restored_from: None };
    change(&app, &user, id, &headers, new, query.check).await
}

/// Writes again what was written in an earlier version.
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues((id, version)): PathValues<(Uuid, i64)>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let earlier = store::version(&app.pool.get().await?, id, version).await?.ok_or_else(no_such_version)?;
    let written = Some(earlier.version.written);
    let new = New { written, labels: None, why: Why::Restored, restored_from: Some(version) };
    change(&app, &user, id, &headers, new, query.check).await
}

/// Gives a collector other labels.
pub(crate) async fn put_labels(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(id): PathValues<Uuid>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewLabels>,
) -> Result<Response, ApiError> {
    body.check()?;
    let new = New { written: None, labels: Some(body.labels), why: Why::Labels, restored_from: None };
    change(&app, &user, id, &headers, new, query.check).await
}

/// What is new for a collector; what is absent stays.
struct New {
    written: Option<String>,
    labels: Option<Labels>,
    why: Why,
    restored_from: Option<i64>,
}

async fn change(
    app: &App,
    user: &SignedIn,
    id: Uuid,
    headers: &HeaderMap,
    new: New,
    is_dry: bool,
) -> Result<Response, ApiError> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let steered = store::hold(&transaction, id).await?.ok_or_else(|| ApiError::not_found("No such collector."))?;
    tag::check(headers, steered.newest.as_ref().map(Newest::tag).as_deref())?;
    let in_force = InForce::read(&*transaction).await?;
    let labels = new.labels.as_ref().unwrap_or(&steered.labels);
    let written = new.written.as_deref();
    let (effective, changed) =
        store::plan(&names(&app.catalog), &steered, written, labels, &in_force).map_err(|error| refused(&error))?;
    let written = written.unwrap_or_else(|| steered.written()).to_owned();
    let (text, templates, custom_sets) =
        (effective.text.clone(), effective.templates.clone(), effective.custom_sets.clone());
    let mut newest = steered.newest.clone();
    if !is_dry {
        if let Some(labels) = &new.labels {
            store::set_labels(&transaction, id, labels).await?;
        }
        if changed {
            let making = Making {
                at: app.clock.now(),
                by: Some(&user.username),
                why: new.why,
                restored_from: new.restored_from,
            };
            let version = store::make(&transaction, &steered, written.clone(), effective, making).await?;
            newest = Some(Newest { version, written: written.clone(), effective: text.clone() });
        }
        transaction.commit().await?;
    }
    let diff = {
        let text = text.clone();
        move || either(diff(steered.effective(), &text), || diff(steered.written(), &written))
    };
    let diff = aside(diff).await?;
    let version = newest.as_ref().map(|newest| newest.version);
    let etag = newest.as_ref().map(Newest::tag);
    let answer = Json(ConfigChange { version, etag, changed, effective: text, templates, custom_sets, diff });
    match newest {
        Some(newest) => Ok((tags(&newest)?, answer).into_response()),
        None => Ok(answer.into_response()),
    }
}

/// The first where it has something, the other one otherwise.
fn either(first: String, other: impl FnOnce() -> String) -> String {
    if first.is_empty() { other() } else { first }
}

/// All versions of a collector's configuration.
pub(crate) async fn versions(
    State(app): State<Arc<App>>,
    PathValues(id): PathValues<Uuid>,
    QueryValues(paging): QueryValues<Paging>,
) -> Result<Json<Page<ConfigVersion>>, ApiError> {
    let paging = paging.checked()?;
    let client = app.pool.get().await?;
    let (versions, total) = store::versions(&client, id, paging).await?;
    if total == 0 && !store::is_known(&client, id).await? {
        return Err(ApiError::not_found("No such collector."));
    }
    drop(client);
    let compared = aside(move || versions.into_iter().map(|one| told(one).of).collect()).await?;
    Ok(Json(paging.page(compared, total)))
}

/// One version with its texts.
pub(crate) async fn version(
    State(app): State<Arc<App>>,
    PathValues((id, version)): PathValues<(Uuid, i64)>,
) -> Result<Json<ConfigVersionTexts>, ApiError> {
    let found = store::version(&app.pool.get().await?, id, version).await?.ok_or_else(no_such_version)?;
    Ok(Json(aside(move || told(found)).await?))
}

/// A version with what it changed.
fn told(compared: Compared) -> ConfigVersionTexts {
    let Compared { mut version, written_before, effective_before } = compared;
    version.of.diff = either(diff(&effective_before, &version.effective), || diff(&written_before, &version.written));
    version
}

fn no_such_version() -> ApiError {
    ApiError::not_found("There is no such version of this collector's configuration.")
}
