//! `GET /instances/{id}/wal`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::model::{FIGURES, Wal};
use super::store;
use crate::app::App;
use crate::covered::Covered;
use crate::flags;
use crate::gaps::Gaps;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::when::{Fineness, When};

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Wal>, ApiError> {
    app.store()?;
    let (id, now) = (visible.id, app.clock.now());
    let range = when.range(now)?;
    let moment = when.moment(now);
    let mut client = app.metrics.get().await?;
    let transaction = instances::snapshot(&mut client).await?;
    let grid = when.grid(&transaction, id, store::GRID, now, Fineness::READ).await?;
    let (at, position, in_recovery) = store::position(&transaction, id, moment).await?;
    let directory = store::directory(&transaction, id, moment).await?;
    let archiver = store::archiver(&transaction, id, moment).await?;
    let totals = store::totals(&transaction, id, range).await?;
    let series = store::series(&transaction, &app.catalog, id, range, grid, now).await?;
    let covered = Covered::read(&transaction, id, store::GRID, range).await?;
    let gaps = Gaps::read(&transaction, &app.catalog, id, store::POSITION, range, now).await?.listed;
    let states = instances::states(&transaction, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (name, set, column, _) in FIGURES {
        note_missing(&mut unmeasured, name, &states, set, column);
    }
    for (name, column) in [("directory_bytes", "size"), ("ready_files", "ready_files")] {
        note_missing(&mut unmeasured, name, &states, store::DIRECTORY, column);
    }
    let mut flagged_intervals = Vec::new();
    for (set, _) in store::sets() {
        for flag in flags::read(&transaction, id, set, range).await? {
            // One restart or reset concerns several sets at the same time.
            if !flagged_intervals.contains(&flag) {
                flagged_intervals.push(flag);
            }
        }
    }
    flagged_intervals.sort_by_key(|flag: &flags::FlaggedInterval| (flag.start, flag.end));
    Ok(Json(Wal {
        at,
        position,
        in_recovery,
        directory,
        archiver,
        totals,
        grid,
        series,
        unmeasured,
        flagged_intervals,
        covered,
        gaps,
    }))
}
