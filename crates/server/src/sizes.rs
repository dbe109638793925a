//! What the store takes, and the disk that it is on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use reads::sizes::model::Disk;

use crate::app::App;
use crate::embedded::FOLDER;
use crate::http::{ApiError, Reading};
use crate::settings::Settings;

pub use reads::sizes::model::StoreSizes;

pub(crate) async fn get(State(app): State<Arc<App>>, Reading(snapshot): Reading) -> Result<Json<StoreSizes>, ApiError> {
    Ok(Json(reads::sizes::get(&snapshot, &disk(&app.settings)).await?))
}

/// What an administrator's command shows of it.
///
/// # Errors
/// When the store fails.
pub async fn command(app: &App) -> anyhow::Result<StoreSizes> {
    let reader = app.reader().map_err(|_| anyhow::anyhow!("the metrics store is not prepared"))?;
    let snapshot = reader.begin(reads::View::All, app.clock.now()).await?;
    Ok(reads::sizes::get(&snapshot, &disk(&app.settings)).await?)
}

/// The disk of the store: as a setting says, or as this machine sees it where the store is a private one.
pub(crate) fn disk(settings: &Settings) -> Disk {
    if let Some(bytes) = settings.store_disk_bytes {
        return Disk::Said { size_bytes: i64::try_from(bytes).unwrap_or(i64::MAX) };
    }
    if settings.database_url.is_some() || settings.timescale_url.is_some() {
        let reason =
            "The store may be on another machine, so its disk is not known: STORE_DISK_BYTES says what it holds.";
        return Disk::Unknown { reason: reason.to_owned() };
    }
    match nix::sys::statvfs::statvfs(&settings.data_dir.join(FOLDER)) {
        Ok(found) => {
            let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(found.fragment_size())).unwrap_or(i64::MAX);
            Disk::Seen { size_bytes: bytes(found.blocks()), free_bytes: bytes(found.blocks_available()) }
        }
        Err(error) => Disk::Unknown { reason: format!("The disk of DATA_DIR does not tell its room: {error}.") },
    }
}
