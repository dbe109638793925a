//! How long what is kept: shown and changed, over HTTP and on the command line.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use axum::Json;
use axum::extract::State;
use reads::retention::model::{ChangeQuery, ChangeRetention};
use store::Store;
use store::retention::{RetentionChange, RetentionError};

use crate::app::App;
use crate::http::{ApiError, JsonBody, QueryValues, Reading};

pub use reads::retention::model::{ChangeDays, Retention, TierName};
pub use store::retention::MOST_DAYS;

pub(crate) async fn get(Reading(snapshot): Reading) -> Result<Json<Retention>, ApiError> {
    Ok(Json(reads::retention::get(&snapshot, &[]).await?))
}

pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Reading(snapshot): Reading,
    QueryValues(query): QueryValues<ChangeQuery>,
    JsonBody(body): JsonBody<ChangeRetention>,
) -> Result<Json<Retention>, ApiError> {
    let answer = reads::retention::get(&snapshot, &body.changes).await?;
    drop(snapshot);
    if !query.dry_run {
        change(app.store()?, &body.changes).await.map_err(|error| match error {
            // Somebody else changed it since it was looked at.
            RetentionError::Refused { .. } => ApiError::conflict("changed_meanwhile", format!("{error}.")),
            RetentionError::Store(error) => error.into(),
        })?;
    }
    Ok(Json(answer))
}

async fn change(store: &Store, changes: &[ChangeDays]) -> Result<(), RetentionError> {
    let changes: Vec<RetentionChange> = changes.iter().map(RetentionChange::from).collect();
    store.change_retention(&changes).await
}

/// What an administrator's command shows: how long what is kept, after these changes. They are made unless it is only
/// asked what they would do.
///
/// # Errors
/// When they may not be, or the store fails.
pub async fn command(app: &App, changes: &[ChangeDays], is_dry: bool) -> anyhow::Result<Retention> {
    let (Ok(reader), Ok(store)) = (app.reader(), app.store()) else { bail!("the metrics store is not prepared") };
    let snapshot = reader.begin(reads::View::All, app.clock.now()).await?;
    let answer = reads::retention::get(&snapshot, changes).await.map_err(|error| match error {
        reads::ReadError::Invalid(details) => {
            let option = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
            let reasons: Vec<String> =
                details.iter().map(|detail| format!("--{} {}", option(&detail.path), detail.reason)).collect();
            anyhow!("{}", reasons.join("; "))
        }
        other => other.into(),
    })?;
    drop(snapshot);
    if !is_dry && !changes.is_empty() {
        change(store, changes).await?;
    }
    Ok(answer)
}
