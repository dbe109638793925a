//! `GET /instances/{id}/locks`.

use super::model::Locks;
use super::store::{self, Waits};
use crate::error::ReadError;
use crate::flags;
use crate::gaps::Gaps;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::reader::{InstanceId, Snapshot};
use crate::readings::{self, Counted};
use crate::when::{Fineness, When};

/// Who blocks whom at a moment, and how many were blocked over a range.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Locks, ReadError> {
    let now = snapshot.now();
    let range = when.range(now)?;
    let moment = when.moment(now);
    let at = readings::at(snapshot, id, store::SET, moment).await?;
    let (waits, data) = match at {
        Some(at) => {
            let waits = Waits::read(snapshot, id, at).await?;
            let named = waits.names(snapshot, id, at).await?;
            let data = waits.tree(&named);
            (waits, data)
        }
        None => (Waits::default(), Vec::new()),
    };
    // Beside a moment without a reading there may still be some.
    let (previous_at, next_at) = readings::neighbours(snapshot, id, store::SET, at.unwrap_or(moment)).await?;
    let grid = when.grid(snapshot, id, store::SET, now, Fineness::FINE).await?;
    let counted = Counted::read(snapshot, id, store::SET, range, grid).await?;
    let blocked = store::blocked(snapshot, id, range, grid).await?;
    let mut blocked_series = counted.zeros();
    let mut blocked_at = vec![None; blocked_series.len()];
    for (step, most, time) in blocked.most {
        let Ok(step) = usize::try_from(step) else { continue };
        if let (Some(value), Some(at)) = (blocked_series.get_mut(step), blocked_at.get_mut(step)) {
            (*value, *at) = (Some(most as f64), Some(time));
        }
    }
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (name, column) in [("data", ""), ("waiting_since", "waitstart"), ("query", "query"), ("state", "state")] {
        note_missing(&mut unmeasured, name, &states, store::SET, column);
    }
    Ok(Locks {
        at,
        previous_at,
        next_at,
        blocked: at.map(|_| waits.blocked()),
        cut: waits.is_cut(),
        blockers: at.map(|_| data.iter().filter(|session| session.level == 1).count()),
        oldest_wait_ms: at.and_then(|_| waits.oldest_ms()),
        data,
        grid,
        blocked_series,
        blocked_at,
        peak: blocked.peak,
        unmeasured,
        flagged_intervals: flags::read(snapshot, id, store::SET, range).await?,
        gaps: Gaps::read(snapshot, snapshot.catalog(), id, store::SET, range, now).await?.listed,
    })
}
