//! The instance that a path names, if the caller may see it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::error::ApiError;
use crate::app::App;

/// The `{id}` of a path below `/instances/{id}`: an instance that is there and that the caller may see. A handler
/// takes it as an argument and can then read by `id` without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisibleInstance {
    /// `metrics.instances.id`.
    pub id: i32,
}

impl FromRequestParts<Arc<App>> for VisibleInstance {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let unknown = || ApiError::not_found("No such instance, or not yours to see.");
        // A path that is no UTF-8 names nothing.
        let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unknown())?;
        let named = parameters.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse::<i32>().ok());
        let id = named.ok_or_else(unknown)?;
        let client = app.metrics.get().await?;
        let statement = client.prepare_cached("select from metrics.instances where id = $1").await?;
        client.query_opt(&statement, &[&id]).await?.map(|_| Self { id }).ok_or_else(unknown)
    }
}
