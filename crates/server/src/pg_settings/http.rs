//! `GET /instances/{id}/settings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::Settings;
use super::store;
use crate::app::App;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::store::snapshot;
use crate::when::Moment;

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(moment): QueryValues<Moment>,
) -> Result<Json<Settings>, ApiError> {
    app.store()?;
    let mut client = app.metrics.get().await?;
    let transaction = snapshot(&mut client).await?;
    let at = moment.or(app.clock.now());
    let data = store::at(&transaction, visible.id, at).await?;
    Ok(Json(Settings { count: data.len(), data }))
}
