//! `GET /instances/{id}/collector`.

use std::collections::BTreeMap;

use super::model::CollectorCost;
use super::store::{self, PROCESS, SETS};
use crate::covered::Covered;
use crate::error::ReadError;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::reader::{InstanceId, Snapshot};
use crate::spread::ratio;
use crate::when::{Fineness, When};

/// What collecting takes: the collector's process, and the instance's time by set.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<CollectorCost, ReadError> {
    let (id, now) = (id, snapshot.now());
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, SETS.set, now, Fineness::SPREAD).await?;
    let process = PROCESS.read(snapshot, snapshot.catalog(), id, range, grid, now).await?.one();
    let whole = PROCESS.whole(&process);
    let covered = Covered::read(snapshot, id, SETS.set, range).await?;
    let sets = store::sets(snapshot, id, range, &covered).await?;
    let timed: Vec<f64> = sets.iter().filter_map(|set| set.statement_time_ms).collect();
    let statement_time_ms = (!timed.is_empty()).then(|| timed.iter().sum::<f64>());
    // In each step the time of all sets, over the time that a set of them covers.
    let mut steps: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let spread = SETS.read(snapshot, snapshot.catalog(), id, range, grid, now).await?;
    for (nth, step) in spread.keys.values().flatten() {
        let (time, covered) = steps.entry(*nth).or_default();
        *time += SETS.sum(step, "statement_time").unwrap_or(0.0);
        *covered = covered.max(step.covered_us);
    }
    let mut statement_share_series = grid.empty();
    for (nth, (time, covered)) in steps {
        if let Some(place) = statement_share_series.get_mut(nth) {
            *place = ratio(Some(time), Some(covered));
        }
    }
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    note_missing(&mut unmeasured, "statement_share", &states, SETS.set, "");
    note_missing(&mut unmeasured, "cpu_share", &states, PROCESS.set, "");
    Ok(CollectorCost {
        grid,
        cpu_share: ratio(PROCESS.sum(&whole, "cpu_time"), Some(whole.covered_us)),
        statement_share: ratio(statement_time_ms, Some(covered.ms)),
        statement_time_ms,
        measured_ms: covered.ms,
        cpu_share_series: PROCESS
            .series(grid, &process, |columns, step| ratio(columns.sum(step, "cpu_time"), Some(step.covered_us))),
        statement_share_series,
        process: store::process(snapshot, id, when.moment(now)).await?,
        sets,
        unmeasured,
        covered,
        gaps: spread.gaps,
    })
}
