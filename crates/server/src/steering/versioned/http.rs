//! What has versions over HTTP. Who may write it, and what, is the kind's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use catalog::names;

use super::model::TemplateChange;
use super::{Content, Kept, Named, store};
use crate::app::App;
use crate::http::{ApiError, PathValues, QueryValues, SignedIn};
use crate::steering::diff::{aside, diff};
use crate::steering::effective::Labels;
use crate::steering::model::CheckQuery;
use crate::steering::planned::{Planned, refused_by, tell};
use crate::steering::store::{self as collectors, Among, Making, NewVersion};
use crate::steering::{InForce, names as known_names, tag};

/// All of a kind.
pub(crate) async fn list<T: Content>(State(app): State<Arc<App>>) -> Result<Json<T::All>, ApiError> {
    let all = store::all::<T>(&**app.pool.get().await?).await?;
    Ok(Json(T::all(all.into_iter().map(T::one).collect())))
}

/// One by its name.
pub(crate) async fn get<T: Content>(
    State(app): State<Arc<App>>,
    PathValues(name): PathValues<String>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<T::One>), ApiError> {
    let newest = store::newest::<T>(&**app.pool.get().await?, &name).await?;
    let kept = newest.filter(|kept| !kept.is_deleted).ok_or_else(absent::<T>)?;
    Ok(([tag::header(&kept.named.tag())?], Json(T::one(kept))))
}

/// All versions of one, with what each changed.
pub(crate) async fn versions<T: Content>(
    State(app): State<Arc<App>>,
    PathValues(name): PathValues<String>,
) -> Result<Json<T::Versions>, ApiError> {
    let versions = store::versions::<T>(&**app.pool.get().await?, &name).await?;
    if versions.is_empty() {
        return Err(absent::<T>());
    }
    let told = move || {
        let text = |kept: &Kept<T>| if kept.is_deleted { String::new() } else { kept.named.of.text().into_owned() };
        let texts: Vec<String> = versions.iter().map(text).chain([String::new()]).collect();
        let diffs =
            texts.windows(2).map(|pair| if let [now, before] = pair { diff(before, now) } else { String::new() });
        T::versions(versions.into_iter().zip(diffs).collect())
    };
    Ok(Json(aside(told).await?))
}

/// Removes one. Its versions stay.
pub(crate) async fn delete<T: Content>(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(name): PathValues<String>,
    QueryValues(query): QueryValues<CheckQuery>,
    headers: HeaderMap,
) -> Result<Json<TemplateChange>, ApiError> {
    change::<T>(&app, &user, &name, &headers, None, query.check).await
}

/// Puts one in place of what is there, or removes that; or says what would come of it.
pub(in crate::steering) async fn change<T: Content>(
    app: &App,
    user: &SignedIn,
    name: &str,
    headers: &HeaderMap,
    new: Option<T>,
    is_dry: bool,
) -> Result<Json<TemplateChange>, ApiError> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    collectors::lock(&transaction, if is_dry { Among::One } else { Among::All }).await?;
    let newest = store::newest::<T>(&*transaction, name).await?;
    let version = newest.as_ref().map_or(0, |kept| kept.named.version) + 1;
    let old = newest.and_then(Kept::in_force);
    let old_tag = old.as_ref().map(Named::tag);
    tag::check(headers, old_tag.as_deref())?;
    if new.is_none() && old.is_none() {
        return Err(absent::<T>());
    }
    let changed = !matches!((&old, &new), (Some(old), Some(new)) if new.is_same(&old.of));
    let made = new.map(|of| Named { name: name.to_owned(), version, of });

    let mut in_force = InForce::read(&*transaction).await?;
    let kind = T::among(&mut in_force);
    let looks_alike = |named: &&Named<T>| named.name != name && names::key(&named.name) == names::key(name);
    if let Some(other) = kind.iter().find(looks_alike).filter(|_| old.is_none()) {
        let message = format!("There is {} already: names that differ in capital letters only are one.", other.name);
        return Err(ApiError::conflict("name_taken", message));
    }
    if changed {
        kind.retain(|named| named.name != name);
        kind.extend(made.clone());
    }
    let concerned: Vec<&T> = old.iter().chain(&made).map(|named| &named.of).collect();
    let selectors: Vec<&Labels> = concerned.iter().map(|of| of.selector()).collect();
    let mut steered = collectors::chosen(&transaction, &selectors).await?;
    steered.retain(|steered| concerned.iter().any(|of| of.applies_to(steered.id, &steered.labels)));
    let names = known_names(&app.catalog);
    let plan = move || steered.into_iter().map(|steered| Planned::new(&names, steered, &in_force)).collect();
    let planned: Vec<Planned> = aside(plan).await?;
    let refusing = planned.iter().filter(|planned| planned.plan.is_err()).count();
    if refusing > 0 && !is_dry {
        return Err(refused_by(&planned, refusing));
    }
    let (mut number, mut etag) = (old.as_ref().map(|old| old.version), old_tag);
    if changed && !is_dry {
        let now = app.clock.now();
        (number, etag) = (Some(version), made.as_ref().map(Named::tag));
        let is_deleted = made.is_none();
        // What was there last stays, for whoever looks.
        if let Some(named) = made.or_else(|| old.map(|old| Named { version, ..old })) {
            let kept = Kept { named, is_deleted, made_at: now, made_by: Some(user.username.clone()) };
            store::insert(&transaction, &kept).await?;
        }
        let making = Making { at: now, by: Some(&user.username), why: T::WHY, restored_from: None };
        let versions: Vec<NewVersion> = planned.iter().filter_map(Planned::version).collect();
        collectors::insert(&transaction, &versions, making).await?;
        transaction.commit().await?;
    }
    Ok(Json(aside(move || TemplateChange { version: number, etag, changed, ..tell(planned) }).await?))
}

pub(in crate::steering) fn absent<T: Content>() -> ApiError {
    ApiError::not_found(T::ABSENT)
}
