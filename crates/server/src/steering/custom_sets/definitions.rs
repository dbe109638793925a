//! Definitions of sets that collectors bring from their own `CATALOG_DIR`, as `CUSTOM_SETS` has it: taken, refused, or
//! kept until an administrator approves them. Those that were written on this server need nothing more.

use std::sync::Arc;

use ::store::CustomSets as Admission;
use axum::Json;
use axum::extract::State;
use catalog::{Definition, DefinitionHash};
use ingest::PushError;
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::types::Json as InJson;
use tokio_postgres::{Error, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store;
use crate::app::App;
use crate::http::{ApiError, PathValues, SignedIn};

/// The most that wait: beyond it nobody would look at them one by one.
const WAITING_MOST: i64 = 1000;

/// Definitions that collectors brought.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BroughtDefinitions {
    /// Those that wait first, then by name.
    data: Vec<BroughtDefinition>,
    /// How many there are.
    count: usize,
}

/// A definition that a collector brought.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BroughtDefinition {
    /// Its hash.
    hash: String,
    /// The set.
    set: String,
    /// What its `set.toml` says of it: columns with types, kinds and units.
    #[schema(value_type = Object)]
    definition: serde_json::Value,
    /// The collector that brought it first.
    collector_id: Uuid,
    /// The collector's name.
    collector: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// `waiting`, `approved` or `refused`.
    state: String,
    /// When an administrator decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
    /// Who did.
    decided_by: Option<String>,
}

/// Takes in what a collector brings, or says why not.
///
/// # Errors
/// 503 when one of the stores fails; the inner error is why the definition is refused.
pub(crate) async fn take(
    app: &App,
    collector_id: Uuid,
    definition: Definition,
) -> Result<Result<DefinitionHash, String>, ApiError> {
    let (ingest, hash) = (app.ingest()?, definition.hash());
    let is_custom = definition.name.starts_with(catalog::USERS_PREFIX) && app.catalog.get(&definition.name).is_none();
    let mut admission = app.settings.custom_sets;
    if is_custom && admission != Admission::Accept && is_allowed(app, hash).await? {
        admission = Admission::Accept;
    }
    match ingest.define_as(definition.clone(), admission).await {
        Ok(hash) => Ok(Ok(hash)),
        Err(PushError::Invalid { code: ingest::NEEDS_APPROVAL, reason }) => {
            note(app, collector_id, hash, &definition).await?;
            Ok(Err(reason))
        }
        Err(PushError::Invalid { reason, .. }) => Ok(Err(reason)),
        Err(error) => Err(error.into()),
    }
}

/// Whether an administrator wrote or approved it here.
async fn is_allowed(app: &App, hash: DefinitionHash) -> Result<bool, ApiError> {
    let client = app.pool.get().await?;
    if store::has_definition(&**client, hash).await? {
        return Ok(true);
    }
    let statement = "select exists (select from pganalytics.set_definitions where hash = $1 and state = 'approved')";
    Ok(client.query_one(statement, &[&hash.0.as_slice()]).await?.get(0))
}

async fn note(app: &App, collector_id: Uuid, hash: DefinitionHash, definition: &Definition) -> Result<(), ApiError> {
    let statement =
        "insert into pganalytics.set_definitions (hash, set_name, definition, collector_id, first_seen, state)
        select $1, $2, $3, $4, $5, 'waiting'
        where (select count(*) from pganalytics.set_definitions where state = 'waiting') < $6
        on conflict do nothing";
    let (hash, now) = (hash.0.as_slice(), app.clock.now());
    let client = app.pool.get().await?;
    client
        .execute(statement, &[&hash, &definition.name, &InJson(definition), &collector_id, &now, &WAITING_MOST])
        .await?;
    Ok(())
}

const BROUGHT: &str =
    "select d.hash, d.set_name, d.definition, d.collector_id, c.name, d.first_seen, d.state, d.decided_at,
        d.decided_by
    from pganalytics.set_definitions d join pganalytics.collectors c on c.id = d.collector_id";

fn brought(row: &Row) -> BroughtDefinition {
    let hash: &[u8] = row.get(0);
    BroughtDefinition {
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        set: row.get(1),
        definition: row.get::<_, InJson<serde_json::Value>>(2).0,
        collector_id: row.get(3),
        collector: row.get(4),
        first_seen: row.get(5),
        state: row.get(6),
        decided_at: row.get(7),
        decided_by: row.get(8),
    }
}

/// All that collectors brought.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<BroughtDefinitions>, ApiError> {
    let statement = format!("{BROUGHT} order by d.state <> 'waiting', d.set_name, d.first_seen");
    let rows = app.pool.get().await?.query(&statement, &[]).await?;
    let data: Vec<BroughtDefinition> = rows.iter().map(brought).collect();
    Ok(Json(BroughtDefinitions { count: data.len(), data }))
}

/// Approves one: what is read by it is taken from now on.
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(hash): PathValues<String>,
) -> Result<Json<BroughtDefinition>, ApiError> {
    let found = find(&app, &hash).await?;
    let definition: Definition = serde_json::from_value(found.definition.clone()).map_err(ApiError::internal)?;
    match app.ingest()?.define_as(definition, Admission::Accept).await {
        Ok(_) => {}
        Err(PushError::Invalid { reason, .. }) => {
            return Err(ApiError::conflict("invalid_definition", format!("It cannot be taken: {reason}.")));
        }
        Err(error) => return Err(error.into()),
    }
    decide(&app, &user, &hash, "approved").await
}

/// Refuses one: what is read by it is not taken. One that was approved stays as it is, because its rows are stored.
pub(crate) async fn refuse(
    State(app): State<Arc<App>>,
    user: SignedIn,
    PathValues(hash): PathValues<String>,
) -> Result<Json<BroughtDefinition>, ApiError> {
    if find(&app, &hash).await?.state == "approved" {
        let message =
            "It is approved and its rows are stored: take it out of the collector's CATALOG_DIR, or switch it off.";
        return Err(ApiError::conflict("approved", message));
    }
    decide(&app, &user, &hash, "refused").await
}

async fn find(app: &App, hash: &str) -> Result<BroughtDefinition, ApiError> {
    let statement = format!("{BROUGHT} where encode(d.hash, 'hex') = $1");
    let row = app.pool.get().await?.query_opt(&statement, &[&hash]).await?;
    row.as_ref().map(brought).ok_or_else(|| ApiError::not_found("No collector brought such a definition."))
}

async fn decide(app: &App, user: &SignedIn, hash: &str, state: &str) -> Result<Json<BroughtDefinition>, ApiError> {
    let statement = "update pganalytics.set_definitions set state = $2, decided_at = $3, decided_by = $4
        where encode(hash, 'hex') = $1 and state <> $2";
    let decided: Result<u64, Error> =
        app.pool.get().await?.execute(statement, &[&hash, &state, &app.clock.now(), &user.username]).await;
    decided?;
    Ok(Json(find(app, hash).await?))
}
