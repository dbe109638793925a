//! What follows from the catalogue and from our own words (views and functions): each is kept with the hash of the
//! statements that made it, and made anew when they change.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use sha2::{Digest, Sha256};
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// Something that can be made anew at any time.
#[derive(Debug)]
pub(crate) struct Derived {
    /// Its name in schema `metrics`.
    pub(crate) name: String,
    /// The statements that drop it, where it is there, and make it.
    pub(crate) sql: String,
}

/// Makes what is missing or was made by other statements. What somebody else's view stands on cannot be dropped: it
/// stays as it was, and is said.
pub(crate) async fn refresh(transaction: &mut Transaction<'_>, wanted: &[Derived]) -> Result<(), StoreError> {
    let sql = "select name, hash from metrics.derived
        where to_regclass('metrics.' || quote_ident(name)) is not null
            or exists (select from pg_catalog.pg_proc p
                       where p.pronamespace = 'metrics'::regnamespace and p.proname = derived.name)";
    let rows = transaction.query(sql, &[]).await?;
    let known: HashMap<String, Vec<u8>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for one in wanted {
        let hash = Sha256::digest(one.sql.as_bytes()).to_vec();
        if known.get(&one.name) == Some(&hash) {
            continue;
        }
        let savepoint = transaction.savepoint("derived").await?;
        match savepoint.simple_query(&one.sql).await {
            Ok(_) => {
                let keep = "insert into metrics.derived (name, hash) values ($1, $2)
                    on conflict (name) do update set hash = excluded.hash, made_at = now()";
                savepoint.execute(keep, &[&one.name, &hash]).await?;
                savepoint.commit().await?;
            }
            Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                savepoint.rollback().await?;
                let detail = error.as_db_error().and_then(|db| db.detail()).unwrap_or_default().to_owned();
                tracing::warn!(name = one.name, detail, "metrics.{} stays as it was: something stands on it", one.name);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
