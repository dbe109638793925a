//! `GET /instances/{id}/replication`.

use super::model::Replication;
use super::{receiver, store};
use crate::error::ReadError;
use crate::gaps::Gaps;
use crate::reader::{InstanceId, Snapshot};
use crate::when::{Fineness, When};

/// Who streams from the instance and how far each is behind; what a standby receives and replays.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<Replication, ReadError> {
    let now = snapshot.now();
    let range = when.range(now)?;
    let grid = when.grid(snapshot, id, store::SET, now, Fineness::READ).await?;
    let mut replication = store::at(snapshot, id, when.moment(now), range, grid).await?;
    let set = if replication.receiver_series.is_some() { receiver::SET } else { store::SET };
    replication.gaps = Gaps::read(snapshot, snapshot.catalog(), id, set, range, now).await?.listed;
    Ok(replication)
}
