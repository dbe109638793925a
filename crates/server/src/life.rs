//! What becomes of an instance, over HTTP: another name, another collector, the end of its watching.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use reads::instances::life::InstanceLife;
use serde::Deserialize;
use store::{By, LifeError};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{ApiError, JsonBody, OfInstance, SignedIn};

/// Longest name and reason, in characters.
const NAME_CHARACTERS_MOST: usize = 255;
const WHY_CHARACTERS_MOST: usize = 1000;

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LifeReason {
    /// The reason, for those who look later.
    why: Option<String>,
}

/// Another name of an instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameInstance {
    /// The name; null for that of its collector's configuration again.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    name: Option<String>,
    /// The reason, for those who look later.
    why: Option<String>,
}

/// With what an instance goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContinueInstance {
    /// The instance that is delivered now, and is the same.
    from: i32,
    /// The reason, for those who look later.
    why: Option<String>,
}

pub(crate) async fn get(OfInstance { snapshot, id }: OfInstance) -> Result<Json<InstanceLife>, ApiError> {
    Ok(Json(reads::instances::get_life(&snapshot, id).await?))
}

pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    OfInstance { snapshot, id }: OfInstance,
    JsonBody(body): JsonBody<RenameInstance>,
) -> Result<Json<InstanceLife>, ApiError> {
    drop(snapshot);
    if let Some(Err(expected)) = body.name.as_deref().map(|name| catalog::names::check(name, NAME_CHARACTERS_MOST)) {
        return Err(ApiError::invalid_field("name", expected));
    }
    let by = by(&caller, body.why.as_deref())?;
    app.store()?.rename_instance(id.number(), body.name.as_deref(), by, app.clock.now()).await?;
    told(&app, id.number()).await
}

pub(crate) async fn retire(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    OfInstance { snapshot, id }: OfInstance,
    JsonBody(body): JsonBody<LifeReason>,
) -> Result<Json<InstanceLife>, ApiError> {
    drop(snapshot);
    let by = by(&caller, body.why.as_deref())?;
    app.store()?.retire_instance(id.number(), by, app.clock.now()).await?;
    told(&app, id.number()).await
}

pub(crate) async fn unretire(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    OfInstance { snapshot, id }: OfInstance,
    JsonBody(body): JsonBody<LifeReason>,
) -> Result<Json<InstanceLife>, ApiError> {
    drop(snapshot);
    let by = by(&caller, body.why.as_deref())?;
    app.store()?.unretire_instance(id.number(), by, app.clock.now()).await?;
    told(&app, id.number()).await
}

pub(crate) async fn go_on(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    OfInstance { snapshot, id }: OfInstance,
    JsonBody(body): JsonBody<ContinueInstance>,
) -> Result<Json<InstanceLife>, ApiError> {
    let other = snapshot.instance(body.from).await?;
    drop(snapshot);
    let other = other.ok_or_else(|| ApiError::invalid_field("from", "no such instance, or not yours to see"))?;
    let by = by(&caller, body.why.as_deref())?;
    app.store()?.continue_instance(id.number(), other.number(), by, app.clock.now()).await?;
    told(&app, id.number()).await
}

fn fits(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn by<'a>(caller: &'a SignedIn, why: Option<&'a str>) -> Result<By<'a>, ApiError> {
    if !why.is_none_or(|why| fits(why, 1, WHY_CHARACTERS_MOST)) {
        return Err(ApiError::invalid_field("why", format!("expected 1 to {WHY_CHARACTERS_MOST} characters")));
    }
    Ok(By { who: Some(&caller.username), why })
}

/// The life of an instance as it is after a change.
async fn told(app: &App, number: i32) -> Result<Json<InstanceLife>, ApiError> {
    let snapshot = app.reader()?.begin(reads::View::All, app.clock.now()).await?;
    let id = snapshot.instance(number).await?.ok_or_else(|| ApiError::not_found("No such instance."))?;
    Ok(Json(reads::instances::get_life(&snapshot, id).await?))
}

impl From<LifeError> for ApiError {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Store(error) => error.into(),
            LifeError::Unknown => Self::not_found("No such instance."),
            LifeError::Refused { code, message } => Self::conflict(code, message),
        }
    }
}
