//! Hypertables of TimescaleDB: chunks come into being with their rows, are compressed when they are over, and go whole.

use std::fmt::Write as _;

use deadpool_postgres::Transaction;
use jiff::{SignedDuration, Timestamp};

use super::native::is_locked;
use super::{Compressed, StoredPartition, Table};
use crate::partitions::PARTITIONED_FIXED;
use crate::periods::Period;
use crate::schema::DDL_LOCK_TIMEOUT;
use crate::{Store, StoreError};

/// The chunks of tables, `$1`, with what they take when compressed.
pub(super) const CHUNKS: &str = "select c.hypertable_name::text, c.chunk_name::text, c.range_start, c.range_end,
        coalesce(pg_total_relation_size(format('%I.%I', c.chunk_schema, c.chunk_name)), 0)
            + coalesce(pg_total_relation_size(quote_ident(z.schema_name) || '.' || quote_ident(z.table_name)), 0),
        exists (select from metrics.leaving l where l.partition_name = c.chunk_name)
    from timescaledb_information.chunks c
    left join _timescaledb_catalog.chunk k on k.schema_name = c.chunk_schema and k.table_name = c.chunk_name
    left join _timescaledb_catalog.chunk z on z.id = k.compressed_chunk_id
    where c.hypertable_schema = 'metrics' and c.hypertable_name = any($1::text[])
    order by 4, 2";

/// How long after its end a chunk is compressed: most of what comes late has come.
const SETTLED: SignedDuration = SignedDuration::from_hours(24);

/// The most chunks of one call.
const MOST_CHUNKS: i64 = 100;

/// How long chunks are: shorter than partitions of tiers, as the newest one is not compressed yet, and long enough for
/// several hundred buckets of a key.
fn chunk_days(period: Period) -> i64 {
    match period {
        Period::Day => 1,
        Period::Month => 7,
        Period::Year => 30,
    }
}

/// The statements that make a hypertable of an empty table, compressed where the edition can: rows of one instance and
/// of what they are looked for by stand together, in the order of time.
pub(super) fn hypertable(table: &Table, period: Period) -> String {
    let name = &table.name;
    let mut segments = "instance_id".to_owned();
    let mut order = String::new();
    match &table.id {
        Some(id) => _ = write!(segments, ", \"{id}\""),
        None => table.keys.iter().for_each(|key| _ = write!(order, "\"{key}\", ")),
    }
    let days = chunk_days(period);
    format!(
        "do $$ begin
             perform create_hypertable('metrics.\"{name}\"', 'time', chunk_time_interval => interval '{days} days',
                 create_default_indexes => false);
             if current_setting('timescaledb.license', true) = 'timescale' then
                 alter table metrics.\"{name}\" set (timescaledb.compress,
                     timescaledb.compress_segmentby = '{segments}', timescaledb.compress_orderby = '{order}\"time\"');
             end if;
         end $$;"
    )
}

/// The partitioned fixed tables, by what they are of.
pub(super) fn fixed() -> [Table; 2] {
    PARTITIONED_FIXED.map(|name| Table::new(name, Some(Period::Day), None, std::iter::once("set_name")))
}

/// Makes the fixed tables of a new store, which are empty, anew as hypertables.
pub(super) async fn adopt(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    for table in fixed() {
        let name = &table.name;
        let made = hypertable(&table, Period::Day);
        transaction
            .simple_query(&format!(
                "alter table metrics.\"{name}\" rename to \"{name}_native\";
                 create table metrics.\"{name}\" (like metrics.\"{name}_native\" including all);
                 drop table metrics.\"{name}_native\"; {made}"
            ))
            .await?;
    }
    Ok(())
}

/// However many rows of one bucket are compressed: they are few, and it would be an error.
pub(super) async fn prepare_rewriting(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.simple_query("set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0").await?;
    Ok(())
}

pub(super) fn drop_chunk(partition: &StoredPartition) -> String {
    let StoredPartition { table, start, end, .. } = partition;
    format!(
        "select drop_chunks('metrics.\"{table}\"', older_than => timestamptz '{end}', newer_than => timestamptz '{start}')"
    )
}

/// Compresses chunks that are over, and those again that rows came late for. A chunk that somebody uses is left to the
/// next run.
pub(super) async fn compress(store: &Store, now: Timestamp) -> Result<Compressed, StoreError> {
    let until = now.checked_sub(SETTLED).unwrap_or(now);
    let client = store.working_client().await?;
    let due = "select format('%I.%I', c.chunk_schema, c.chunk_name)
        from timescaledb_information.chunks c
        join timescaledb_information.hypertables h
            on h.hypertable_schema = c.hypertable_schema and h.hypertable_name = c.hypertable_name
        join _timescaledb_catalog.chunk k on k.schema_name = c.chunk_schema and k.table_name = c.chunk_name
        where c.hypertable_schema = 'metrics' and h.compression_enabled and c.range_end <= $1
            and (k.status & 1 = 0 or k.status & 10 <> 0)
            and not exists (select from metrics.leaving l where l.partition_name = c.chunk_name)
        order by c.range_end, 1 limit $2";
    let rows = client.query(due, &[&until, &(MOST_CHUNKS + 1)]).await?;
    client.simple_query(&format!("set lock_timeout = '{DDL_LOCK_TIMEOUT}'")).await?;
    let most = usize::try_from(MOST_CHUNKS).unwrap_or(usize::MAX);
    let mut done = Compressed { chunks: 0, is_left: rows.len() > most };
    for row in rows.iter().take(most) {
        let chunk: &str = row.get(0);
        let compressed = client.execute("select compress_chunk($1::text::regclass, true)", &[&chunk]).await;
        match compressed.map_err(StoreError::from) {
            Ok(_) => done.chunks += 1,
            Err(error) if is_locked(&error) => {
                tracing::info!(chunk, "a chunk is still in use and is compressed later");
            }
            Err(error) => return Err(error),
        }
    }
    client.simple_query("reset lock_timeout").await?;
    client.done();
    Ok(done)
}
