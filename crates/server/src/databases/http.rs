//! `GET /instances/{id}/databases`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::SignedDuration;

use super::counters::COUNTERS;
use super::model::{Database, DatabaseSeries, Databases, DatabasesQuery};
use super::store;
use crate::app::App;
use crate::flags;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::range::{Grid, Range};

/// What `pg_stat_database` counts under datid 0.
const SHARED_OBJECTS: &str = "shared objects";

/// The steps of a series, about.
const TREND_POINTS: i64 = 60;

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(query): QueryValues<DatabasesQuery>,
) -> Result<Json<Databases>, ApiError> {
    app.store()?;
    let now = app.clock.now();
    let range = Range::asked(query.start, query.end, now)?;
    let mut client = app.metrics.get().await?;
    let transaction = instances::snapshot(&mut client).await?;
    let grid = match query.step {
        Some(step) => Grid::asked(range, step)?,
        None => {
            let latest = instances::latest(&transaction, &[visible.id], now).await?.remove(&visible.id);
            let interval_us = latest.and_then(|sets| sets.get(store::SET)?.interval_us);
            Grid::over(range, TREND_POINTS, interval_us.map(SignedDuration::from_micros))
        }
    };
    let sums = store::sums(&transaction, visible.id, range).await?;
    let mut series = store::series(&transaction, visible.id, range, grid).await?;
    let total = store::throughput(&transaction, visible.id, range, grid).await?;
    let flagged_intervals = flags::read(&transaction, visible.id, store::SET, range).await?;
    let named = instances::databases(&transaction, visible.id, true).await?;
    let names: HashMap<i64, String> = named.into_iter().map(|one| (one.datid, one.name)).collect();
    let states = instances::states(&transaction, &[visible.id]).await?.remove(&visible.id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for counter in COUNTERS {
        note_missing(&mut unmeasured, counter.name, &states, store::SET, counter.column);
    }
    note_missing(&mut unmeasured, "numbackends", &states, store::SET, "numbackends");
    let nothing = || (grid.empty(), grid.empty());
    let mut data: Vec<Database> = sums
        .into_iter()
        .map(|sums| {
            let (tps, active) = series.remove(&sums.datid).unwrap_or_else(nothing);
            let name = match names.get(&sums.datid) {
                Some(name) => name.clone(),
                None if sums.datid == 0 => SHARED_OBJECTS.to_owned(),
                None => sums.datid.to_string(),
            };
            Database {
                datid: sums.datid,
                name,
                numbackends: sums.numbackends,
                counters: sums.counters,
                series: DatabaseSeries { tps, active },
            }
        })
        .collect();
    data.sort_by(|a, b| (&a.name, a.datid).cmp(&(&b.name, b.datid)));
    Ok(Json(Databases { grid, data, total, unmeasured, flagged_intervals }))
}
