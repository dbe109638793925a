//! `GET /instances`, `/instances/{id}` and `/instances/{id}/coverage`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use uuid::Uuid;

use super::fleet::{Asked, Described};
use super::model::{Coverage, FleetQuery, Instance, InstanceDetail, InstanceQuery};
use super::{coverage, fleet, store};
use crate::app::App;
use crate::gaps::Gaps;
use crate::http::{ApiError, Page, QueryValues, VisibleInstance};
use crate::locks::store as locks;
use crate::pg_settings::store as pg_settings;

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    QueryValues(query): QueryValues<FleetQuery>,
) -> Result<Json<Page<Instance>>, ApiError> {
    let paging = query.paging().checked()?;
    app.store()?;
    let now = app.clock.now();
    let when = Asked::of(query.start, query.end, query.at, now)?;
    let (described, total) = {
        let mut client = app.metrics.get().await?;
        let transaction = store::snapshot(&mut client).await?;
        let (stored, total) = store::page(&transaction, paging).await?;
        (fleet::describe(&transaction, &app.catalog, stored, when).await?, total)
    };
    let instances = with_collectors(&app, described, now).await?;
    Ok(Json(paging.page(instances.into_iter().map(|one| one.instance).collect(), total)))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(query): QueryValues<InstanceQuery>,
) -> Result<Json<InstanceDetail>, ApiError> {
    app.store()?;
    let now = app.clock.now();
    let when = Asked::of(query.start, query.end, query.at, now)?;
    let (described, databases, block_size, blocked, gaps) = {
        let mut client = app.metrics.get().await?;
        let transaction = store::snapshot(&mut client).await?;
        let stored = store::one(&transaction, visible.id).await?;
        let described = fleet::describe(&transaction, &app.catalog, stored.into_iter().collect(), when).await?;
        let is_read = described.first().is_some_and(|one| one.instance.watched.is_read());
        let blocked = if is_read { locks::now(&transaction, visible.id, when.at).await? } else { None };
        let gaps = Gaps::read(&transaction, &app.catalog, visible.id, fleet::ACTIVITY, when.range, now).await?;
        let databases = store::databases(&transaction, visible.id).await?;
        (described, databases, pg_settings::block_size(&transaction, visible.id).await?, blocked, gaps.listed)
    };
    let described = with_collectors(&app, described, now).await?.pop();
    let Described { instance, states, latest, .. } =
        described.ok_or_else(|| ApiError::not_found("No such instance, or not yours to see."))?;
    let sets = coverage::sets(&app.catalog, &states, &latest);
    Ok(Json(InstanceDetail { instance, databases, sets, block_size, blocked, gaps }))
}

pub(crate) async fn get_coverage(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
) -> Result<Json<Coverage>, ApiError> {
    app.store()?;
    let mut client = app.metrics.get().await?;
    let transaction = store::snapshot(&mut client).await?;
    let checked_at = store::one(&transaction, visible.id).await?.and_then(|stored| stored.states_at);
    let ids = [visible.id];
    let latest = store::latest(&transaction, &ids, app.clock.now()).await?.remove(&visible.id).unwrap_or_default();
    let states = store::states(&transaction, &ids).await?.remove(&visible.id).unwrap_or_default();
    let data = coverage::with_columns(&app.catalog, coverage::sets(&app.catalog, &states, &latest), &states);
    Ok(Json(Coverage { count: data.len(), data, checked_at }))
}

/// Adds who reads each instance, from the store of schema `pganalytics`.
async fn with_collectors(app: &App, mut described: Vec<Described>, now: Timestamp) -> Result<Vec<Described>, ApiError> {
    let ids: Vec<Uuid> = described.iter().map(|one| one.collector_id).collect();
    let collectors = store::collectors(&app.pool.get().await?, &ids, now).await?;
    for one in &mut described {
        one.instance.collector = collectors.get(&one.collector_id).cloned();
    }
    Ok(described)
}
