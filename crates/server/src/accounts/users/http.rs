//! Managing users.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use super::model::{ChangeUser, NewUser, ResetPassword};
use super::store::{self, Change};
use crate::accounts::model::User;
use crate::accounts::passwords;
use crate::app::App;
use crate::http::{ApiError, JsonBody, Page, Paging, PathValues, QueryValues, SignedIn};

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    QueryValues(paging): QueryValues<Paging>,
) -> Result<Json<Page<User>>, ApiError> {
    let paging = paging.checked()?;
    let (users, total) = store::list(&app.pool.get().await?, paging).await?;
    Ok(Json(paging.page(users, total)))
}

pub(crate) async fn get(State(app): State<Arc<App>>, PathValues(id): PathValues<Uuid>) -> Result<Json<User>, ApiError> {
    let user = store::get(&app.pool.get().await?, id).await?;
    user.map(Json).ok_or_else(no_such_user)
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    JsonBody(new): JsonBody<NewUser>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    new.check()?;
    let hash = app.passwords.hash(new.password).await?;
    let change = store::create(&app.pool.get().await?, &new.username, &hash, new.role, app.clock.now()).await?;
    Ok((StatusCode::CREATED, Json(done(change)?)))
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    PathValues(id): PathValues<Uuid>,
    JsonBody(change): JsonBody<ChangeUser>,
) -> Result<Json<User>, ApiError> {
    change.check()?;
    let change = store::change(&mut app.pool.get().await?, id, &change).await?;
    Ok(Json(done(change)?))
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    caller: SignedIn,
    PathValues(id): PathValues<Uuid>,
) -> Result<StatusCode, ApiError> {
    if caller.id == id {
        return Err(ApiError::conflict("own_account", "You cannot remove yourself; another administrator can."));
    }
    done(store::delete(&mut app.pool.get().await?, id).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn reset_password(
    State(app): State<Arc<App>>,
    PathValues(id): PathValues<Uuid>,
    JsonBody(reset): JsonBody<ResetPassword>,
) -> Result<StatusCode, ApiError> {
    passwords::check(&reset.new_password)
        .map_err(|problem| ApiError::invalid_field("new_password", problem.to_string()))?;
    let hash = app.passwords.hash(reset.new_password).await?;
    let mut client = app.pool.get().await?;
    let found = crate::accounts::store::set_password(&mut client, id, &hash, None, app.clock.now()).await?;
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_user()) }
}

fn done<T>(change: Change<T>) -> Result<T, ApiError> {
    match change {
        Change::Done(value) => Ok(value),
        Change::NoSuchUser => Err(no_such_user()),
        Change::NameTaken => Err(ApiError::conflict("name_taken", "Another user has this name.")),
        Change::LastAdmin => Err(ApiError::conflict("last_admin", "This is the last administrator.")),
    }
}

fn no_such_user() -> ApiError {
    ApiError::not_found("No such user.")
}
