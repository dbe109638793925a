//! `GET /instances/{id}/replication`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::Replication;
use super::{receiver, store};
use crate::app::App;
use crate::gaps::Gaps;
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
    let mut replication = store::at(&transaction, visible.id, when.moment(now), range, grid).await?;
    let set = if replication.receiver_series.is_some() { receiver::SET } else { store::SET };
    replication.gaps = Gaps::read(&transaction, &app.catalog, visible.id, set, range, now).await?.listed;
    Ok(Json(replication))
}
