//! `GET /instances`, `/instances/{id}` and `/instances/{id}/coverage`.

use super::fleet::{Asked, Described};
use super::model::{Coverage, FleetQuery, Instance, InstanceDetail, InstanceQuery};
use super::{coverage, fleet, store};
use crate::error::ReadError;
use crate::gaps::Gaps;
use crate::locks::store as locks;
use crate::page::Page;
use crate::pg_settings::store as pg_settings;
use crate::reader::{InstanceId, Snapshot};

/// The instances that may be seen, by name; who reads them is added by whoever knows collectors.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, query: FleetQuery) -> Result<Page<Instance>, ReadError> {
    let paging = query.paging().checked()?;
    let now = snapshot.now();
    let when = Asked::of(query.start, query.end, query.at, now)?;
    let (stored, total) = store::page(snapshot, paging, (when.at, query.retired)).await?;
    let described = fleet::describe(snapshot, snapshot.catalog(), stored, when).await?;
    Ok(paging.page(described.into_iter().map(|one| one.instance).collect(), total))
}

/// One instance at a moment, its databases, and how its sets can be read.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, query: InstanceQuery) -> Result<InstanceDetail, ReadError> {
    let now = snapshot.now();
    let when = Asked::of(query.start, query.end, query.at, now)?;
    let stored = store::one(snapshot, id).await?;
    let described = fleet::describe(snapshot, snapshot.catalog(), stored.into_iter().collect(), when).await?.pop();
    let Described { instance, states, latest, .. } =
        described.ok_or_else(|| ReadError::not_found("No such instance, or not yours to see."))?;
    let sets = coverage::sets(snapshot.catalog(), &states, &latest);
    let blocked = if instance.watched.is_read() { locks::now(snapshot, id, when.at).await? } else { None };
    let gaps = Gaps::read(snapshot, snapshot.catalog(), id, fleet::ACTIVITY, when.range, now).await?.listed;
    let databases = store::databases(snapshot, id).await?;
    let block_size = pg_settings::block_size(snapshot, id).await?;
    Ok(InstanceDetail { instance, databases, sets, block_size, blocked, gaps })
}

/// Per set and column: works, degraded or missing, the reason, and the SQL that mends it.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get_coverage(snapshot: &Snapshot, id: InstanceId) -> Result<Coverage, ReadError> {
    let checked_at = store::one(snapshot, id).await?.and_then(|stored| stored.states_at);
    let ids = [id];
    let latest = store::latest(snapshot, &ids, snapshot.now()).await?.remove(&id).unwrap_or_default();
    let states = store::states(snapshot, &ids).await?.remove(&id).unwrap_or_default();
    let data =
        coverage::with_columns(snapshot.catalog(), coverage::sets(snapshot.catalog(), &states, &latest), &states);
    Ok(Coverage { count: data.len(), data, checked_at })
}
