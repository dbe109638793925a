//! Partitions of PostgreSQL: made beside the table and attached, detached concurrently and then dropped.
//!
//! ```text
//! attached ─► noted in metrics.leaving ─► detach … concurrently ─► (pending ─► finalize) ─► detached ─► dropped
//! ```
//! Detaching waits for whoever uses the table, without a lock that others would wait for. What is cut off or held back
//! on the way goes on with the next run.

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::error::SqlState;

use super::{Expiring, Fate, StoredPartition};
use crate::StoreError;
use crate::periods::Stretch;
use crate::schema::{self, DDL_LOCK_TIMEOUT, SCHEMA_LOCK};
use crate::tiers::{self, ROLL_UP_LOCK};
use crate::working::Working;

/// How long the end of a roll-up, or of another change of the schema, is waited for.
pub(super) const WORK_LOCK_TIMEOUT: &str = "30s";

/// How a partition stands to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Missing,
    Attached,
    /// Detaching it began and was not finished.
    Pending,
    Detached,
}

/// The partitions of tables of a schema, `$1`, by what their bounds say; `size` is the function that measures one.
pub(super) fn partitions(schema: &str, size: &str) -> String {
    format!(
        "select p.relname::text, c.relname::text, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz,
             coalesce({size}(c.oid), 0)::int8,
             exists (select from metrics.leaving l where l.partition_name = c.relname)
         from pg_catalog.pg_inherits i
         join pg_catalog.pg_class c on c.oid = i.inhrelid
         join pg_catalog.pg_class p on p.oid = i.inhparent
         join pg_catalog.pg_namespace n on n.oid = p.relnamespace
         cross join lateral (
             select regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$$) as bounds
         ) b
         where n.nspname = '{schema}' and p.relkind = 'p' and p.relname = any($1::text[]) and b.bounds is not null
         union all
         select l.table_name, l.partition_name, l.first, l.until, coalesce({size}(c.oid), 0)::int8, true
         from metrics.leaving l
         join pg_catalog.pg_class c on c.relname = l.partition_name and not c.relispartition
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'metrics' and l.table_name = any($1::text[])
         order by 4, 2"
    )
}

/// How a partition stands. Not by `to_regclass`: it may answer from a cache that does not yet know what another server
/// has done.
pub(super) async fn standing(client: &impl GenericClient, partition: &str) -> Result<Standing, StoreError> {
    let sql = "select i.inhdetachpending from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_inherits i on i.inhrelid = c.oid
        where n.nspname = 'metrics' and c.relname = $1";
    Ok(match client.query_opt(sql, &[&partition]).await?.map(|row| row.get::<_, Option<bool>>(0)) {
        None => Standing::Missing,
        Some(None) => Standing::Detached,
        Some(Some(false)) => Standing::Attached,
        Some(Some(true)) => Standing::Pending,
    })
}

/// Makes a partition where it is missing; answers whether it was. Attaching takes a weaker lock on the table than
/// `create table … partition of`: neither readers nor ingest wait for it.
pub(super) async fn make(client: &mut Working, table: &str, stretch: &Stretch) -> Result<bool, StoreError> {
    let name = format!("{table}_{}", stretch.suffix);
    if standing(&**client, &name).await? == Standing::Attached {
        return Ok(false);
    }
    let transaction = client.transaction().await?;
    schema::lock(&transaction).await?;
    let standing = standing(&transaction, &name).await?;
    match standing {
        Standing::Attached => {}
        Standing::Pending => return Err(StoreError::Held),
        // Retention was cut off between detaching and dropping it, and now there are rows for it again.
        Standing::Detached => attach_again(&transaction, table, &name, stretch).await?,
        Standing::Missing => {
            transaction
                .simple_query(&format!(
                    "create table metrics.\"{name}\" (like metrics.\"{table}\" including defaults including constraints)"
                ))
                .await?;
            attach(&transaction, table, &name, stretch).await?;
        }
    }
    transaction.commit().await?;
    Ok(standing == Standing::Missing)
}

async fn attach(
    transaction: &Transaction<'_>,
    table: &str,
    partition: &str,
    Stretch { start, end, .. }: &Stretch,
) -> Result<(), StoreError> {
    transaction
        .simple_query(&format!(
            "alter table metrics.\"{table}\" attach partition metrics.\"{partition}\"
             for values from ('{start}') to ('{end}')"
        ))
        .await?;
    Ok(())
}

/// Attaches what was detached, with the columns that its table got meanwhile.
async fn attach_again(
    transaction: &Transaction<'_>,
    table: &str,
    partition: &str,
    stretch: &Stretch,
) -> Result<(), StoreError> {
    let missing = "select string_agg(format('alter table metrics.%I add column %I %s', $2::text, a.attname,
            format_type(a.atttypid, a.atttypmod)), ';' order by a.attnum)
        from pg_catalog.pg_attribute a
        where a.attrelid = format('metrics.%I', $1::text)::regclass and a.attnum > 0 and not a.attisdropped
            and not exists (
                select from pg_catalog.pg_attribute b
                where b.attrelid = format('metrics.%I', $2::text)::regclass and b.attname = a.attname
                    and not b.attisdropped)";
    if let Some(sql) = transaction.query_one(missing, &[&table, &partition]).await?.get::<_, Option<String>>(0) {
        transaction.simple_query(&sql).await?;
    }
    attach(transaction, table, partition, stretch).await
}

pub(super) fn drop_table(partition: &StoredPartition) -> String {
    format!("drop table if exists metrics.\"{}\"", partition.name)
}

/// Drops a partition that is past its retention. Locks of the session stand around it: detaching runs in no
/// transaction. No buckets are made meanwhile, and no partition.
pub(super) async fn drop(
    client: &mut Working,
    expiring: &Expiring<'_>,
    partition: &StoredPartition,
) -> Result<Fate, StoreError> {
    client.simple_query(&format!("set lock_timeout = '{WORK_LOCK_TIMEOUT}'")).await?;
    client.query_one("select pg_advisory_lock($1), pg_advisory_lock($2)", &[&ROLL_UP_LOCK, &SCHEMA_LOCK]).await?;
    client.simple_query(&format!("set lock_timeout = '{DDL_LOCK_TIMEOUT}'")).await?;
    let fate = detach_and_drop(client, expiring, partition).await?;
    client.query_one("select pg_advisory_unlock($1), pg_advisory_unlock($2)", &[&SCHEMA_LOCK, &ROLL_UP_LOCK]).await?;
    client.simple_query("reset lock_timeout").await?;
    Ok(fate)
}

async fn detach_and_drop(
    client: &mut Working,
    expiring: &Expiring<'_>,
    partition: &StoredPartition,
) -> Result<Fate, StoreError> {
    let (table, name) = (&partition.table, &partition.name);
    let standing = standing(&**client, name).await?;
    if standing == Standing::Attached
        && let Some(holding) = expiring.holding
        && tiers::is_needed(&**client, expiring.set, holding, partition.end).await?
    {
        return Ok(Fate::Needed);
    }
    client
        .execute(
            "insert into metrics.leaving (partition_name, table_name, first, until) values ($1, $2, $3, $4)
             on conflict do nothing",
            &[name, table, &partition.start, &partition.end],
        )
        .await?;
    let detach = match standing {
        Standing::Attached if is_held(client, partition).await? => return Ok(Fate::Held),
        Standing::Attached => "concurrently",
        Standing::Pending => "finalize",
        Standing::Detached | Standing::Missing => "",
    };
    if !detach.is_empty() {
        let sql = format!("alter table metrics.\"{table}\" detach partition metrics.\"{name}\" {detach}");
        match client.simple_query(&sql).await.map_err(StoreError::from) {
            Ok(_) => {}
            Err(error) if is_locked(&error) => {
                let is_pending = self::standing(&**client, name).await? == Standing::Pending;
                return Ok(if is_pending { Fate::HoldsAll } else { Fate::Held });
            }
            // Beside a default partition none is detached concurrently: it is dropped as it stands.
            Err(error) if error.sql_state() == Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) => {}
            Err(error) => return Err(error),
        }
    }
    match retire_and_drop(client, expiring, partition).await {
        Err(error) if is_locked(&error) => Ok(Fate::Held),
        Ok(false) => keep(client, partition).await.map(|()| Fate::Needed),
        Ok(true) => Ok(Fate::Gone),
        Err(error) => Err(error),
    }
}

/// Whether somebody uses the partition itself, or its table for longer than it would be waited for: then detaching
/// would be left in the middle, and no other partition of the table could be detached.
async fn is_held(client: &Working, partition: &StoredPartition) -> Result<bool, StoreError> {
    let sql = format!(
        "select exists (
             select from pg_catalog.pg_locks l
             join pg_catalog.pg_class c on c.oid = l.relation
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             join pg_catalog.pg_stat_activity a on a.pid = l.pid
             where l.granted and l.pid <> pg_backend_pid() and a.datname = current_database()
                 and n.nspname = 'metrics'
                 and (c.relname = $1 or c.relname = $2 and a.xact_start < now() - interval '{DDL_LOCK_TIMEOUT}'))"
    );
    Ok(client.query_one(&sql, &[&partition.name, &partition.table]).await?.get(0))
}

/// Notes what goes and drops it, or leaves it where buckets are still to be made from it. Who wrote to it has
/// committed by now, and nobody else can.
async fn retire_and_drop(
    client: &mut Working,
    expiring: &Expiring<'_>,
    partition: &StoredPartition,
) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    schema::lock(&transaction).await?;
    transaction.simple_query(&drop_table(partition)).await?;
    if let Some(holding) = expiring.holding
        && !tiers::retire(&transaction, &partition.table, expiring.set, holding, partition.end).await?
    {
        return Ok(false);
    }
    transaction.execute("delete from metrics.leaving where partition_name = $1", &[&partition.name]).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Gives a table back what cannot go yet.
async fn keep(client: &mut Working, partition: &StoredPartition) -> Result<(), StoreError> {
    let transaction = client.transaction().await?;
    schema::lock(&transaction).await?;
    if standing(&transaction, &partition.name).await? == Standing::Detached {
        let (start, end) = (partition.start, partition.end);
        let stretch = Stretch { start, end, suffix: String::new() };
        attach_again(&transaction, &partition.table, &partition.name, &stretch).await?;
    }
    transaction.commit().await?;
    Ok(())
}

pub(super) fn is_locked(error: &StoreError) -> bool {
    error.sql_state() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}
