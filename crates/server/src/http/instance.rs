//! The snapshot that a read is answered from, of what its caller may see, and the instance that its path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use reads::{InstanceId, Snapshot};

use super::authentication::Caller;
use super::error::ApiError;
use crate::app::App;

/// A snapshot of what the caller may see. A handler takes it as an argument.
#[derive(Debug)]
pub struct Reading(pub Snapshot);

impl FromRequestParts<Arc<App>> for Reading {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Ok(caller) = Caller::from_request_parts(parts, app).await;
        Ok(Self(app.reader()?.begin(caller.view(), app.clock.now()).await?))
    }
}

/// The `{id}` of a path below `/instances/{id}`: an instance that is there and that the caller may see. A handler
/// takes it as an argument and can then read by `id` without asking again.
#[derive(Debug)]
pub struct OfInstance {
    /// What to read from.
    pub snapshot: Snapshot,
    /// The instance.
    pub id: InstanceId,
}

impl FromRequestParts<Arc<App>> for OfInstance {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let unknown = || ApiError::not_found("No such instance, or not yours to see.");
        // A path that is no UTF-8 names nothing.
        let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unknown())?;
        let named = parameters.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse::<i32>().ok());
        let number = named.ok_or_else(unknown)?;
        let Reading(snapshot) = Reading::from_request_parts(parts, app).await?;
        let id = snapshot.instance(number).await?.ok_or_else(unknown)?;
        Ok(Self { snapshot, id })
    }
}
