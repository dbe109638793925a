//! `GET /instances/{id}/wal`.

use super::model::{FIGURES, Wal};
use super::store;
use crate::covered::Covered;
use crate::error::ReadError;
use crate::flags;
use crate::gaps::Gaps;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::reader::{InstanceId, Snapshot};
use crate::when::{Fineness, When};

/// WAL, checkpoints and archiving over a range, and what lies in the directory.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Wal, ReadError> {
    let (id, now) = (id, snapshot.now());
    let range = when.range(now)?;
    let moment = when.moment(now);
    let grid = when.grid(snapshot, id, store::GRID, now, Fineness::READ).await?;
    let (at, position, in_recovery) = store::position(snapshot, id, moment).await?;
    let directory = store::directory(snapshot, id, moment).await?;
    let archiver = store::archiver(snapshot, id, moment).await?;
    let totals = store::totals(snapshot, id, range).await?;
    let series = store::series(snapshot, snapshot.catalog(), id, range, grid, now).await?;
    let covered_by_set = store::covered(snapshot, id, range).await?;
    let covered = covered_by_set.get(store::GRID).cloned().unwrap_or_else(|| Covered::new(0.0, range));
    let gaps = Gaps::read(snapshot, snapshot.catalog(), id, store::POSITION, range, now).await?.listed;
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (name, set, column, _) in FIGURES {
        note_missing(&mut unmeasured, name, &states, set, column);
    }
    for (name, column) in [("directory_bytes", "size"), ("ready_files", "ready_files")] {
        note_missing(&mut unmeasured, name, &states, store::DIRECTORY, column);
    }
    let mut flagged_intervals = Vec::new();
    for (set, _) in store::sets() {
        for flag in flags::read(snapshot, id, set, range).await? {
            // One restart or reset concerns several sets at the same time.
            if !flagged_intervals.contains(&flag) {
                flagged_intervals.push(flag);
            }
        }
    }
    flagged_intervals.sort_by_key(|flag: &flags::FlaggedInterval| (flag.start, flag.end));
    Ok(Wal {
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
        covered_by_set,
        gaps,
    })
}
