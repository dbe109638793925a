//! `GET /instances/{id}/databases`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::counters::COUNTERS;
use super::model::{Database, DatabaseSeries, Databases};
use super::store;
use crate::app::App;
use crate::clusters::OfOneCluster;
use crate::covered::Covered;
use crate::flags;
use crate::gaps::Gaps;
use crate::http::{ApiError, QueryValues, VisibleInstance};
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::queries::names::Names;
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
    let asked = when.range(now)?;
    let mut client = app.metrics.get().await?;
    let transaction = instances::snapshot(&mut client).await?;
    let range = OfOneCluster::read(&transaction, visible.id, asked).await?.range;
    let grid = when.grid(&transaction, visible.id, store::SET, now, Fineness::SPREAD).await?;
    let at = readings::at(&transaction, visible.id, store::SET, when.moment(now)).await?;
    let sums = store::sums(&transaction, visible.id, range, at).await?;
    let gaps = Gaps::read(&transaction, &app.catalog, visible.id, store::SET, asked, now).await?;
    let covered = Covered::read(&transaction, visible.id, store::SET, range).await?;
    let mut series = store::series(&transaction, visible.id, range, grid, &gaps).await?;
    let total = store::throughput(&transaction, visible.id, range, grid, &gaps).await?;
    let flagged_intervals = flags::read(&transaction, visible.id, store::SET, asked).await?;
    let names = Names::databases(&transaction, visible.id, range.end).await?;
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
            let name = if sums.datid == 0 { SHARED_OBJECTS.to_owned() } else { names.of(sums.datid) };
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
