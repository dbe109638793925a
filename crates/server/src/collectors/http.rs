//! Registering, renewing tokens, and looking at collectors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use super::deliveries::Deliveries;
use super::model::{Collector, Credentials, Registration, Renewed};
use super::{deliveries, store};
use crate::accounts::COLLECTOR_TOKEN_LIFE;
use crate::app::App;
use crate::http::{ApiError, Caller, JsonBody, Page, Paging, PathValues, QueryValues, Reading};
use crate::steering;

pub(crate) async fn register(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(registration): JsonBody<Registration>,
) -> Result<(StatusCode, Json<Credentials>), ApiError> {
    registration.check()?;
    let id = match caller {
        Caller::Collector(collector) => collector.id,
        Caller::Nobody | Caller::User(_) => Uuid::now_v7(),
    };
    let now = app.clock.now();
    let (token, expires_at) = token(&app, id, now)?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    store::register(&transaction, id, &registration, now, expires_at).await?;
    steering::register(&app, &transaction, id).await?;
    transaction.commit().await?;
    tracing::info!(collector.id = %id, collector.name = registration.name, "a collector registered");
    Ok((StatusCode::CREATED, Json(Credentials { collector_id: id, token, expires_at })))
}

pub(crate) async fn refresh_token(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Renewed>, ApiError> {
    let id = caller.collector()?.id;
    let (token, expires_at) = token(&app, id, app.clock.now())?;
    store::renewed(&app.pool.get().await?, id, expires_at).await?;
    Ok(Json(Renewed { token, expires_at }))
}

/// How deliveries go.
pub(crate) async fn all_deliveries(
    State(app): State<Arc<App>>,
    Reading(snapshot): Reading,
) -> Result<Json<Deliveries>, ApiError> {
    deliveries::deliveries(&snapshot, &app.pool.get().await?).await.map(Json)
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryValues(paging): QueryValues<Paging>,
) -> Result<Json<Page<Collector>>, ApiError> {
    let paging = paging.checked()?;
    let (mut collectors, total) = store::list(&app.pool.get().await?, paging, app.clock.now()).await?;
    add_deliveries(&app, &caller, &mut collectors).await?;
    Ok(Json(paging.page(collectors, total)))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    PathValues(id): PathValues<Uuid>,
) -> Result<Json<Collector>, ApiError> {
    let collector = store::get(&app.pool.get().await?, id, app.clock.now()).await?;
    let mut collector = collector.ok_or_else(no_such_collector)?;
    add_deliveries(&app, &caller, std::slice::from_mut(&mut collector)).await?;
    Ok(Json(collector))
}

/// Says how the deliveries of collectors go, where there is a store of them.
async fn add_deliveries(app: &App, caller: &Caller, collectors: &mut [Collector]) -> Result<(), ApiError> {
    let Ok(reader) = app.reader() else { return Ok(()) };
    let snapshot = reader.begin(caller.view(), app.clock.now()).await?;
    let deliveries = deliveries::deliveries(&snapshot, &app.pool.get().await?).await?;
    for collector in collectors {
        let ahead_us = deliveries.ahead_us(collector.id);
        collector.clock_ahead_ms = ahead_us.map(|us| us as f64 / 1000.0);
        collector.clock_message = ahead_us.and_then(reads::skew::sentence);
        if let Some(said) = deliveries.config(collector.id) {
            collector.config_in_force = said.in_force;
            collector.config_refused = said.refused;
            collector.config_error = said.error;
            collector.config_error_since = said.error_since;
        }
        if let Some((instances, lag_ms, discarded, errors)) = deliveries.of(collector.id) {
            collector.instances = Some(instances);
            collector.lag_ms = lag_ms;
            collector.discarded_rows = Some(discarded);
            collector.errors = Some(errors);
        }
    }
    Ok(())
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    PathValues(id): PathValues<Uuid>,
) -> Result<StatusCode, ApiError> {
    let found = store::revoke(&app.pool.get().await?, id, app.clock.now()).await?;
    if !found {
        return Err(no_such_collector());
    }
    if let Ok(store) = app.store()
        && let Err(error) = store.end_sources(id).await
    {
        // Whoever goes on with its instances does so a minute later.
        tracing::warn!(error = &error as &dyn std::error::Error, "a removed collector's instances are not let go");
    }
    Ok(StatusCode::NO_CONTENT)
}

fn token(app: &App, id: Uuid, now: Timestamp) -> Result<(String, Timestamp), ApiError> {
    let token = app.keys.collector_token(id, now).map_err(ApiError::internal)?;
    let expires_at = now.checked_add(COLLECTOR_TOKEN_LIFE).map_err(ApiError::internal)?;
    Ok((token, expires_at))
}

fn no_such_collector() -> ApiError {
    ApiError::not_found("No such collector.")
}
