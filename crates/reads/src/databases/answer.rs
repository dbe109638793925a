//! `GET /instances/{id}/databases`.

use super::counters::COUNTERS;
use super::model::{Database, DatabaseSeries, Databases};
use super::store;
use crate::clusters::OfOneCluster;
use crate::covered::Covered;
use crate::error::ReadError;
use crate::flags;
use crate::gaps::Gaps;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::when::{Fineness, When};

/// What `pg_stat_database` counts under datid 0.
const SHARED_OBJECTS: &str = "shared objects";

/// What each database did over a range, and its rates over time.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Databases, ReadError> {
    let now = snapshot.now();
    let asked = when.range(now)?;
    let range = OfOneCluster::read(snapshot, id, asked).await?.range;
    let grid = when.grid(snapshot, id, store::SET, now, Fineness::SPREAD).await?;
    let at = readings::at(snapshot, id, store::SET, when.moment(now)).await?;
    let sums = store::sums(snapshot, id, range, at).await?;
    let gaps = Gaps::read(snapshot, snapshot.catalog(), id, store::SET, asked, now).await?;
    let covered = Covered::read(snapshot, id, store::SET, range).await?;
    let mut series = store::series(snapshot, id, range, grid, &gaps).await?;
    let total = store::throughput(snapshot, id, range, grid, &gaps).await?;
    let flagged_intervals = flags::read(snapshot, id, store::SET, asked).await?;
    let names = Names::databases(snapshot, id, range.end).await?;
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
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
    Ok(Databases { grid, data, total, unmeasured, flagged_intervals, covered, gaps: gaps.listed })
}
