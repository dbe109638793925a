//! `GET /instances/{id}/slots`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::Slots;
use super::store;
use crate::app::App;
use crate::gaps::Gaps;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::readings;
use crate::when::{Fineness, When};

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Slots>, ApiError> {
    app.store()?;
    let now = app.clock.now();
    let range = when.range(now)?;
    let mut client = app.metrics.get().await?;
    let transaction = instances::snapshot(&mut client).await?;
    let grid = when.grid(&transaction, visible.id, store::SET, now, Fineness::READ).await?;
    let at = readings::at(&transaction, visible.id, store::SET, when.moment(now)).await?;
    let data = match at {
        Some(time) => store::at(&transaction, visible.id, time, range, grid).await?,
        None => Vec::new(),
    };
    let states = instances::states(&transaction, &[visible.id]).await?.remove(&visible.id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for column in store::NEWER {
        note_missing(&mut unmeasured, column, &states, store::SET, column);
    }
    let gaps = Gaps::read(&transaction, &app.catalog, visible.id, store::SET, range, now).await?.listed;
    Ok(Json(Slots { at, grid, data, unmeasured, gaps }))
}
