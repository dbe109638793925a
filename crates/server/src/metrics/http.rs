//! `GET /metrics`, `/metrics/count`, `/metrics/health`, `/catalog` and `/catalog/{set}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::catalog::{self, MeasuredSet, MeasuredSets};
use super::count::{self, CountQuery, Counts};
use super::health::{self, Deliveries};
use super::rows::{self, RowsQuery, SetRows};
use crate::app::App;
use crate::http::{ApiError, PathValues, QueryValues};

pub(crate) async fn read_rows(
    State(app): State<Arc<App>>,
    QueryValues(query): QueryValues<RowsQuery>,
) -> Result<Json<SetRows>, ApiError> {
    let client = app.metrics.get().await?;
    rows::read(app.store()?, &client, query, app.clock.now()).await.map(Json)
}

pub(crate) async fn count_rows(
    State(app): State<Arc<App>>,
    QueryValues(query): QueryValues<CountQuery>,
) -> Result<Json<Counts>, ApiError> {
    let client = app.metrics.get().await?;
    count::count(app.store()?, &client, &query).await.map(Json)
}

pub(crate) async fn deliveries(State(app): State<Arc<App>>) -> Result<Json<Deliveries>, ApiError> {
    app.store()?;
    let (metrics, accounts) = (app.metrics.get().await?, app.pool.get().await?);
    health::deliveries(&metrics, &accounts, app.clock.now()).await.map(Json)
}

pub(crate) async fn list_sets(State(app): State<Arc<App>>) -> Result<Json<MeasuredSets>, ApiError> {
    Ok(Json(catalog::all(app.store()?)))
}

pub(crate) async fn get_set(
    State(app): State<Arc<App>>,
    PathValues(set): PathValues<String>,
) -> Result<Json<MeasuredSet>, ApiError> {
    catalog::one(app.store()?, &set).map(Json).ok_or_else(|| ApiError::not_found("There is no such set."))
}
