//! Partitions that go in one transaction, which waits for whoever uses them, for a while.

use super::native::{WORK_LOCK_TIMEOUT, is_locked};
use super::{Expiring, Fate, Layout, StoredPartition};
use crate::tiers::{self, ROLL_UP_LOCK};
use crate::working::Working;
use crate::{StoreError, schema};

/// Drops a partition that is past its retention by this statement, or notes that it is held back: later ones of its
/// table go before it.
pub(super) async fn drop(
    layout: Layout,
    client: &mut Working,
    expiring: &Expiring<'_>,
    partition: &StoredPartition,
    sql: &str,
) -> Result<Fate, StoreError> {
    match attempt(layout, client, expiring, partition, sql).await {
        Ok(true) => Ok(Fate::Gone),
        Ok(false) => Ok(Fate::Needed),
        Err(error) if is_locked(&error) => {
            let held = "insert into metrics.leaving (partition_name, table_name, first, until)
                values ($1, $2, $3, $4) on conflict do nothing";
            let StoredPartition { table, name, start, end, .. } = partition;
            client.execute(held, &[name, table, start, end]).await?;
            Ok(Fate::Held)
        }
        Err(error) => Err(error),
    }
}

async fn attempt(
    layout: Layout,
    client: &mut Working,
    expiring: &Expiring<'_>,
    partition: &StoredPartition,
    sql: &str,
) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    transaction.simple_query(&format!("set local lock_timeout = '{WORK_LOCK_TIMEOUT}'")).await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&ROLL_UP_LOCK]).await?;
    schema::lock(&transaction).await?;
    layout.prepare_rewriting(&transaction).await?;
    if let Some(holding) = expiring.holding
        && tiers::is_needed(&transaction, expiring.set, holding, partition.end).await?
    {
        return Ok(false);
    }
    transaction.simple_query(sql).await?;
    // Who wrote to it has committed now, and nobody else can.
    if let Some(holding) = expiring.holding
        && !tiers::retire(&transaction, &partition.table, expiring.set, holding, partition.end).await?
    {
        return Ok(false);
    }
    transaction.execute("delete from metrics.leaving where partition_name = $1", &[&partition.name]).await?;
    transaction.commit().await?;
    Ok(true)
}
