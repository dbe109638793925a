//! Tables of sets, their views, definitions and the reading role: everything made at start.

use std::collections::BTreeMap;

use catalog::{Catalog, Definition};
use deadpool_postgres::{GenericClient, Object, Transaction};
use uuid::Uuid;

use crate::definitions::{self, Definitions};
use crate::{Layout, StoreError, derived, tables, tiers, views};

/// The advisory lock under which schema `metrics` is changed; a number of our own choosing.
pub(crate) const SCHEMA_LOCK: i64 = 0x7067_616e_0001;

/// How long DDL waits for a lock before it gives up.
pub(crate) const DDL_LOCK_TIMEOUT: &str = "5s";

/// The role that dashboards read with.
pub const READER: &str = "pganalytics_read";

/// Makes or widens everything, in one transaction. `chosen` is the layout that a store gets which is made now.
pub(crate) async fn prepare(
    transaction: &mut Transaction<'_>,
    chosen: Layout,
    catalog: &Catalog,
) -> Result<(Uuid, Layout, Definitions), StoreError> {
    lock(transaction).await?;
    let made = "insert into metrics.store (id, layout) values ($1, $2) on conflict do nothing";
    if transaction.execute(made, &[&Uuid::new_v4(), &chosen.name()]).await? > 0 {
        chosen.adopt(transaction).await?;
    }
    let (id, layout) = identity(transaction).await?;
    let (all, whole) = definitions(transaction, catalog).await?;
    for definition in whole.values() {
        definitions::check(definition)
            .map_err(|reason| StoreError::Definition { set: definition.name.clone(), reason })?;
        tables::create_or_widen(transaction, layout, catalog, definition).await?;
    }
    // After all tables: views name each other's sets.
    derived::refresh(transaction, &views::all(&whole)).await?;
    tiers::prepare(transaction, layout, catalog, &whole).await?;
    derived::refresh(transaction, &tiers::functions(&whole)).await?;
    for definition in &all {
        definitions::insert(transaction, definition).await?;
    }
    Ok((id, layout, Definitions::new(whole, &all)))
}

/// What a store knows that is not to be changed.
pub(crate) async fn stored(client: &impl GenericClient) -> Result<(Uuid, Layout, Definitions), StoreError> {
    let (id, layout) = identity(client).await?;
    let (all, whole) = joined(definitions::load(client).await?)?;
    Ok((id, layout, Definitions::new(whole, &all)))
}

async fn identity(client: &impl GenericClient) -> Result<(Uuid, Layout), StoreError> {
    let row = client.query_opt("select id, layout, changing_to from metrics.store", &[]).await?;
    let row = row.ok_or_else(|| {
        StoreError::Unfit("there is no store yet: it is made by the first start of a server".to_owned())
    })?;
    Ok((row.get(0), Layout::stored_as(row.get(1), row.get(2))?))
}

/// The definitions of the catalogue and those that are stored, and what each set has by all of them.
pub(crate) async fn definitions(
    client: &impl GenericClient,
    catalog: &Catalog,
) -> Result<(Vec<Definition>, BTreeMap<String, Definition>), StoreError> {
    let mut all: Vec<Definition> = catalog.sets().map(|set| set.definition.clone()).collect();
    all.extend(definitions::load(client).await?);
    joined(all)
}

fn joined(all: Vec<Definition>) -> Result<(Vec<Definition>, BTreeMap<String, Definition>), StoreError> {
    let mut whole: BTreeMap<String, Definition> = BTreeMap::new();
    for definition in &all {
        definitions::join(&mut whole, definition)
            .map_err(|reason| StoreError::Definition { set: definition.name.clone(), reason })?;
    }
    Ok((all, whole))
}

/// Takes the schema's lock until the transaction ends, with a bound on waiting for other locks.
pub(crate) async fn lock(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.query_one("select pg_advisory_xact_lock($1)", &[&SCHEMA_LOCK]).await?;
    transaction.simple_query(&format!("set local lock_timeout = '{DDL_LOCK_TIMEOUT}'")).await?;
    Ok(())
}

/// The role for dashboards, where we may create it; without the right the product works all the same. Under the
/// schema's lock: rights to a table and its partitions change the same row of the system catalogs.
pub(crate) async fn create_reader(client: &mut Object) -> Result<(), StoreError> {
    let sql = format!(
        "do $$
         begin
             if not exists (select from pg_catalog.pg_roles where rolname = '{READER}') then
                 create role {READER} nologin;
             end if;
             grant usage on schema metrics to {READER};
             grant select on all tables in schema metrics to {READER};
             alter default privileges in schema metrics grant select on tables to {READER};
         end
         $$"
    );
    let transaction = client.transaction().await?;
    lock(&transaction).await?;
    if let Err(error) = transaction.simple_query(&sql).await {
        let reason = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        tracing::warn!(role = READER, reason, "the reading role could not be prepared");
        return Ok(());
    }
    Ok(transaction.commit().await?)
}
