//! `GET /instances/{id}/replication`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::Replication;
use super::store;
use crate::app::App;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::store::snapshot;
use crate::when::{Fineness, When};

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Replication>, ApiError> {
    app.store()?;
    let now = app.clock.now();
    let range = when.range(now)?;
    let mut client = app.metrics.get().await?;
    let transaction = snapshot(&mut client).await?;
    let grid = when.grid(&transaction, visible.id, store::SET, now, Fineness::READ).await?;
    Ok(Json(store::at(&transaction, visible.id, when.moment(now), range, grid).await?))
}
