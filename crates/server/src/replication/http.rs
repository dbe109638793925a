//! `GET /instances/{id}/replication`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::{Moment, Replication};
use super::store;
use crate::app::App;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::store::snapshot;

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(moment): QueryValues<Moment>,
) -> Result<Json<Replication>, ApiError> {
    app.store()?;
    let mut client = app.metrics.get().await?;
    let transaction = snapshot(&mut client).await?;
    let at = moment.or(app.clock.now());
    Ok(Json(store::at(&transaction, visible.id, at).await?))
}
