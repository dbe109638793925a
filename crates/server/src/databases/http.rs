//! `GET /instances/{id}/databases`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::counters::COUNTERS;
use super::model::{Database, DatabaseSeries, Databases};
use super::store;
use crate::app::App;
use crate::covered::Covered;
use crate::flags;
use crate::gaps::Gaps;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::readings;
use crate::when::{Fineness, When};

/// What `pg_stat_database` counts under datid 0.
const SHARED_OBJECTS: &str = "shared objects";

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    visible: VisibleInstance,
    QueryValues(when): QueryValues<When>,
) -> Result<Json<Databases>, ApiError> {
    app.store()?;
    let now = app.clock.now();
    let range = when.range(now)?;
    let mut client = app.metrics.get().await?;
    let transaction = instances::snapshot(&mut client).await?;
    let grid = when.grid(&transaction, visible.id, store::SET, now, Fineness::SPREAD).await?;
    let at = readings::at(&transaction, visible.id, store::SET, when.moment(now)).await?;
    let sums = store::sums(&transaction, visible.id, range, at).await?;
    let gaps = Gaps::read(&transaction, &app.catalog, visible.id, store::SET, range, now).await?;
    let covered = Covered::read(&transaction, visible.id, store::SET, range).await?;
    let mut series = store::series(&transaction, visible.id, range, grid, &gaps).await?;
    let total = store::throughput(&transaction, visible.id, range, grid, &gaps).await?;
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
                rates: sums.rates,
                covered_ms: sums.covered_us / 1000.0,
                series: DatabaseSeries { tps, active },
            }
        })
        .collect();
    data.sort_by(|a, b| (&a.name, a.datid).cmp(&(&b.name, b.datid)));
    Ok(Json(Databases { grid, data, total, unmeasured, flagged_intervals, covered, gaps: gaps.listed }))
}
