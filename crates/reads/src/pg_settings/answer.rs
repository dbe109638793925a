//! `GET /instances/{id}/settings`.

use super::model::Settings;
use super::store;
use crate::error::ReadError;
use crate::reader::{InstanceId, Snapshot};
use crate::when::Moment;

/// The settings at a moment, and when each last changed.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, moment: Moment) -> Result<Settings, ReadError> {
    let at = moment.or(snapshot.now());
    let data = store::at(snapshot, id, at).await?;
    Ok(Settings { count: data.len(), data })
}
