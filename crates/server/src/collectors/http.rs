//! Registering, renewing tokens, and looking at collectors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use super::model::{Collector, Credentials, Registration, Renewed};
use super::store;
use crate::accounts::COLLECTOR_TOKEN_LIFE;
use crate::app::App;
use crate::http::{ApiError, Caller, JsonBody, Page, Paging, PathValues, QueryValues};

pub(crate) async fn register(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(registration): JsonBody<Registration>,
) -> Result<(StatusCode, Json<Credentials>), ApiError> {
    registration.check()?;
    let id = match caller {
        Caller::Collector(id) => id,
        Caller::Nobody | Caller::User(_) => Uuid::now_v7(),
    };
    let now = app.clock.now();
    let (token, expires_at) = token(&app, id, now)?;
    store::register(&app.pool.get().await?, id, &registration, now, expires_at).await?;
    tracing::info!(collector.id = %id, collector.name = registration.name, "a collector registered");
    Ok((StatusCode::CREATED, Json(Credentials { collector_id: id, token, expires_at })))
}

pub(crate) async fn refresh_token(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Renewed>, ApiError> {
    let id = caller.collector()?;
    let (token, expires_at) = token(&app, id, app.clock.now())?;
    store::renewed(&app.pool.get().await?, id, expires_at).await?;
    Ok(Json(Renewed { token, expires_at }))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    QueryValues(paging): QueryValues<Paging>,
) -> Result<Json<Page<Collector>>, ApiError> {
    let paging = paging.checked()?;
    let (collectors, total) = store::list(&app.pool.get().await?, paging, app.clock.now()).await?;
    Ok(Json(paging.page(collectors, total)))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    PathValues(id): PathValues<Uuid>,
) -> Result<Json<Collector>, ApiError> {
    let collector = store::get(&app.pool.get().await?, id, app.clock.now()).await?;
    collector.map(Json).ok_or_else(no_such_collector)
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    PathValues(id): PathValues<Uuid>,
) -> Result<StatusCode, ApiError> {
    let found = store::revoke(&app.pool.get().await?, id, app.clock.now()).await?;
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_collector()) }
}

fn token(app: &App, id: Uuid, now: Timestamp) -> Result<(String, Timestamp), ApiError> {
    let token = app.keys.collector_token(id, now).map_err(ApiError::internal)?;
    let expires_at = now.checked_add(COLLECTOR_TOKEN_LIFE).map_err(ApiError::internal)?;
    Ok((token, expires_at))
}

fn no_such_collector() -> ApiError {
    ApiError::not_found("No such collector.")
}
