//! Templates over HTTP: what is written as one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use config::Config;

use super::model::NewTemplate;
use crate::app::App;
use crate::http::{ApiError, JsonBody, PathValues, QueryValues, SignedIn};
use crate::steering::effective::Template;
use crate::steering::model::CheckQuery;
use crate::steering::versioned::http::change;
use crate::steering::versioned::model::TemplateChange;
use crate::steering::{names, refused};

/// Makes a template, or changes it.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(name): PathValues<String>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewTemplate>,
) -> Result<Json<TemplateChange>, ApiError> {
    new.check(&name)?;
    Config::check_written(&new.text, &names(&app.catalog)).map_err(|error| refused(&error))?;
    let NewTemplate { text, selector, priority } = new;
    change(&app, &user, &name, &headers, Some(Template { text, selector, priority }), query.check).await
}
