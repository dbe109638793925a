//! `GET /instances/{id}/io`.

use super::findings::{Seen, findings};
use super::model::{Buffers, IO, Io};
use super::store::{self, SET, SLRU_SET};
use crate::covered::Covered;
use crate::error::ReadError;
use crate::flags;
use crate::gaps::Gaps;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::reader::{InstanceId, Snapshot};
use crate::wal::store as wal;
use crate::when::{Fineness, When};

/// What backends write themselves.
const BACKENDS: &str = "backend_writes";

/// I/O over a range: by kind of process, of the small caches, and who wrote buffers.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Io, ReadError> {
    let now = snapshot.now();
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, SET, now, Fineness::SPREAD).await?;
    let gaps = Gaps::read(snapshot, snapshot.catalog(), id, SET, range, now).await?;
    let data = store::totals(snapshot, id, range).await?;
    let series = store::series(snapshot, id, range, grid, &gaps).await?;
    let slru = store::slru(snapshot, id, range).await?;
    let written = wal::totals(snapshot, id, range).await?;
    let buffers = Buffers {
        checkpoint: written.buffers_checkpoint,
        clean: written.buffers_clean,
        backend: written.buffers_backend,
        backend_fsyncs: written.backend_fsyncs,
        alloc: written.buffers_alloc,
    };
    let covered = Covered::read(snapshot, id, SET, range).await?;
    let slru_covered = Covered::read(snapshot, id, SLRU_SET, range).await?;
    let buffers_covered = Covered::read(snapshot, id, BACKENDS, range).await?;
    let seen = Seen {
        data: &data,
        seconds: covered.ms / 1000.0,
        slru: &slru,
        slru_seconds: slru_covered.ms / 1000.0,
        buffers: &buffers,
        buffers_seconds: buffers_covered.ms / 1000.0,
    };
    let findings = findings(&seen);
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (key, set) in [("data", SET), ("slru", SLRU_SET), ("buffers", BACKENDS)] {
        note_missing(&mut unmeasured, key, &states, set, "");
    }
    for (name, column, _) in IO {
        note_missing(&mut unmeasured, name, &states, SET, column);
    }
    let mut flagged_intervals = flags::read(snapshot, id, SET, range).await?;
    for flag in flags::read(snapshot, id, SLRU_SET, range).await? {
        // One restart concerns both at the same time.
        if !flagged_intervals.contains(&flag) {
            flagged_intervals.push(flag);
        }
    }
    flagged_intervals.sort_by_key(|flag| (flag.start, flag.end));
    Ok(Io {
        grid,
        data,
        series,
        buffers,
        slru,
        findings,
        unmeasured,
        flagged_intervals,
        covered,
        slru_covered,
        buffers_covered,
        gaps: gaps.listed,
    })
}
