//! `GET /instances/{id}/slots`.

use super::model::Slots;
use super::store;
use crate::error::ReadError;
use crate::gaps::Gaps;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::when::{Fineness, When};

/// Replication slots, and the WAL that each keeps.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Slots, ReadError> {
    let now = snapshot.now();
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, store::SET, now, Fineness::READ).await?;
    let at = readings::at(snapshot, id, store::SET, when.moment(now)).await?;
    let data = match at {
        Some(time) => store::at(snapshot, id, time, range, grid).await?,
        None => Vec::new(),
    };
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for column in store::NEWER {
        note_missing(&mut unmeasured, column, &states, store::SET, column);
    }
    let gaps = Gaps::read(snapshot, snapshot.catalog(), id, store::SET, range, now).await?.listed;
    Ok(Slots { at, grid, data, unmeasured, gaps })
}
