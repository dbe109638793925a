//! `GET /instances/{id}/progress`.

use super::model::RunningCommands;
use super::store;
use crate::error::ReadError;
use crate::instances::coverage::note_missing;
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::when::Moment;

/// The long commands that run at a moment, and how far each is.
///
/// # Errors
/// When the store fails.
pub async fn at(snapshot: &Snapshot, id: InstanceId, moment: Moment) -> Result<RunningCommands, ReadError> {
    let at = readings::at(snapshot, id, store::SET, moment.or(snapshot.now())).await?;
    let data = match at {
        Some(time) => store::commands(snapshot, id, time).await?,
        None => Vec::new(),
    };
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (name, column) in [("data", ""), ("command", "command"), ("phase", "phase")] {
        note_missing(&mut unmeasured, name, &states, store::SET, column);
    }
    Ok(RunningCommands { data, at, unmeasured })
}
