//! Custom sets over HTTP: what is written as one, and how it goes.

use std::sync::Arc;

use ::store::{CustomSets as Admission, DefinitionError};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use catalog::Set;

use super::model::{CustomSetStates, NewCustomSet};
use super::store;
use crate::app::App;
use crate::http::{ApiError, Detail, JsonBody, PathValues, QueryValues, Reading, SignedIn};
use crate::steering::effective::OwnSet;
use crate::steering::model::CheckQuery;
use crate::steering::versioned::http::{absent, change};
use crate::steering::versioned::model::TemplateChange;
use crate::steering::versioned::store::newest;

/// How a custom set goes at its collectors.
pub(crate) async fn states(
    State(app): State<Arc<App>>,
    Reading(snapshot): Reading,
    PathValues(name): PathValues<String>,
) -> Result<Json<CustomSetStates>, ApiError> {
    let client = app.pool.get().await?;
    if newest::<OwnSet>(&**client, &name).await?.is_none() {
        return Err(absent::<OwnSet>());
    }
    let data = store::states(&snapshot, &client, &name).await?;
    Ok(Json(CustomSetStates { count: data.len(), data }))
}

/// Makes a custom set, or changes it.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(name): PathValues<String>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewCustomSet>,
) -> Result<Json<TemplateChange>, ApiError> {
    if app.settings.custom_sets == Admission::Refuse {
        let message = "Custom sets are switched off on this server (CUSTOM_SETS=refuse).";
        return Err(ApiError::conflict("custom_sets_refused", message));
    }
    let set = new.check(&name)?;
    may_be_stored(&app, &set).await?;
    let (files, NewCustomSet { selector, mut collectors, note, .. }) = (new.files(), new);
    collectors.sort_unstable();
    collectors.dedup();
    let set = OwnSet { files, selector, collectors, note };
    change(&app, &user, &name, &headers, Some(set), query.check).await
}

/// Refuses what the store could not hold beside what it has of that set.
async fn may_be_stored(app: &App, set: &Set) -> Result<(), ApiError> {
    if app.catalog.get(set.name()).is_some() {
        let message = "This server's CATALOG_DIR has a set of this name.";
        return Err(ApiError::conflict("name_taken", message));
    }
    match app.store()?.check_definition(&set.definition).await {
        Ok(()) => Ok(()),
        Err(DefinitionError::Invalid { reason, .. }) => {
            let message = format!(
                "The set is refused: {reason}. What is stored of a set keeps its meaning: columns may be added or left out, \
                 and one that means something else gets another name, or the set does."
            );
            Err(ApiError::bad_request("invalid_custom_set", message)
                .with_details(vec![Detail::new("set.toml", reason)]))
        }
        Err(error @ DefinitionError::NeedsApproval { .. }) => Err(ApiError::internal(error)),
        Err(DefinitionError::Store(error)) => Err(ApiError::internal(error)),
    }
}
