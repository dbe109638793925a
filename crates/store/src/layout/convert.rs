//! From partitions of PostgreSQL to hypertables of TimescaleDB: table by table, partition by partition, each in a
//! transaction of its own that leaves no row twice and none out. What was cut off goes on.
//!
//! ```text
//! metrics.x (partitioned) ─► metrics_native.x ─┐ partition by partition: rows to the hypertable, partition dropped
//!                            metrics.x (hypertable, empty) ◄┘ chunk compressed
//! ```
//! No server runs meanwhile: it would not see what is not moved yet. Collectors keep what they measure.

use std::time::{Duration, Instant};

use catalog::Catalog;
use deadpool_postgres::{GenericClient, Object, Pool};
use jiff::Timestamp;

use super::native::{self, drop_table};
use super::{Layout, StoredPartition, Table, timescale};
use crate::migrations::METRICS;
use crate::{StoreError, schema, tables, tiers};

/// Where tables wait whose rows are moved.
const WAITING: &str = "metrics_native";

/// Lets the store end a statement soon after this process is gone; not every system can.
const NOTICE_GONE: &str = "set client_connection_check_interval = '2s'";

/// How long connections are waited for that are being closed.
const CLOSING: Duration = Duration::from_secs(10);

/// A partition whose rows were moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Its table.
    pub table: String,
    /// When what it held ended.
    pub end: Timestamp,
    /// How many rows it had.
    pub rows: u64,
    /// How many partitions are left, of all tables.
    pub left: usize,
}

/// Brings a store to TimescaleDB, or goes on with it; answers how many rows were moved.
///
/// # Errors
/// When it may not be done as the store stands, or the store fails; running it again goes on where it stopped.
pub async fn to_timescale(pool: &Pool, catalog: &Catalog, mut say: impl FnMut(&Moved)) -> Result<u64, StoreError> {
    let mut client = pool.get().await?;
    let _ = client.simple_query(NOTICE_GONE).await;
    METRICS.migrate(&mut client).await?;
    let tables = begin(&mut client, catalog).await?;
    let mut left = 0;
    for table in &tables {
        left += waiting(&client, WAITING, table).await?.len() + waiting(&client, "metrics", table).await?.len();
    }
    let mut moved = 0;
    for table in &tables {
        stand_aside(&mut client, table).await?;
        for partition in waiting(&client, WAITING, table).await? {
            let rows = move_rows(&mut client, table, &partition).await?;
            compress(&client, table, &partition).await?;
            left = left.saturating_sub(1);
            moved += rows;
            say(&Moved { table: table.name.clone(), end: partition.end, rows, left });
        }
        let gone = format!("drop table if exists {WAITING}.\"{}\"", table.name);
        client.simple_query(&gone).await?;
    }
    let transaction = client.transaction().await?;
    let done = format!(
        "update metrics.store set layout = '{}', changing_to = null; drop schema if exists {WAITING}",
        Layout::Timescale.name()
    );
    transaction.simple_query(&done).await?;
    transaction.commit().await?;
    Ok(moved)
}

/// Whether it may be done, and on which tables; from now on no server takes the store.
async fn begin(client: &mut Object, catalog: &Catalog) -> Result<Vec<Table>, StoreError> {
    let unfit = |reason: &str| Err(StoreError::Unfit(reason.to_owned()));
    let transaction = client.transaction().await?;
    schema::lock(&transaction).await?;
    let Some(row) = transaction.query_opt("select layout, changing_to from metrics.store for update", &[]).await?
    else {
        return unfit("there is no store yet: it is made by the first start of a server");
    };
    match (row.get::<_, &str>(0), row.get::<_, Option<&str>>(1)) {
        ("native", _) => {}
        (layout, _) => return Err(StoreError::Unfit(format!("the store has the layout {layout} already"))),
    }
    Layout::Timescale.check_extension(&transaction).await?;
    if !is_alone(&transaction).await? {
        return unfit("a server uses the store: stop all servers first; their collectors keep what they measure");
    }
    if transaction.query_opt("select from metrics.leaving limit 1", &[]).await?.is_some() {
        return unfit("retention is taking a partition: let a server run until GET /jobs shows that it is done");
    }
    // They stand on the tables, and are made anew by the next start of a server.
    let views = "select string_agg(format('drop view metrics.%I', c.relname), ';')
        from metrics.derived d join pg_catalog.pg_class c on c.relname = d.name and c.relkind = 'v'
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = 'metrics'";
    if let Some(sql) = transaction.query_one(views, &[]).await?.get::<_, Option<String>>(0) {
        transaction.simple_query(&sql).await.map_err(|error| match error.as_db_error().and_then(|db| db.detail()) {
            Some(detail) => {
                StoreError::Unfit(format!("something stands on a view of the store, drop it first: {detail}"))
            }
            None => error.into(),
        })?;
    }
    let sql = format!("update metrics.store set changing_to = 'timescale'; create schema if not exists {WAITING}");
    transaction.simple_query(&sql).await?;
    let (_, whole) = schema::definitions(&transaction, catalog).await?;
    let of_sets = whole.values().map(|definition| tables::table(definition, tables::id(catalog, &definition.name)));
    let all = of_sets.chain(timescale::fixed()).chain(tiers::kept(catalog, &whole));
    let tables = all.filter(|table| table.period.is_some()).collect();
    transaction.commit().await?;
    Ok(tables)
}

/// Whether no server has a connection; those that were just closed are waited for.
async fn is_alone(client: &impl GenericClient) -> Result<bool, StoreError> {
    let others = "select exists (select from pg_catalog.pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
            and application_name = current_setting('application_name'))";
    let asked = Instant::now();
    while client.query_one(others, &[]).await?.get(0) {
        if asked.elapsed() > CLOSING {
            return Ok(false);
        }
        tokio::time::sleep(CLOSING / 20).await;
    }
    Ok(true)
}

/// Puts the hypertable in the place of the partitioned table.
async fn stand_aside(client: &mut Object, table: &Table) -> Result<(), StoreError> {
    let (name, Some(period)) = (&table.name, table.period) else { return Ok(()) };
    let transaction = client.transaction().await?;
    schema::lock(&transaction).await?;
    let is_partitioned = "select exists (select from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'metrics' and c.relname = $1 and c.relkind = 'p')";
    if transaction.query_one(is_partitioned, &[name]).await?.get(0) {
        let made = timescale::hypertable(table, period);
        transaction
            .simple_query(&format!(
                "alter table metrics.\"{name}\" set schema {WAITING};
                 create table metrics.\"{name}\" (like {WAITING}.\"{name}\" including all); {made}
                 do $$ begin
                     execute format('comment on table metrics.\"{name}\" is %L',
                         obj_description('{WAITING}.\"{name}\"'::regclass, 'pg_class'));
                 end $$"
            ))
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The partitions of a table whose rows are not moved yet, oldest first.
async fn waiting(client: &Object, schema: &str, table: &Table) -> Result<Vec<StoredPartition>, StoreError> {
    let sql = native::partitions(schema, "pg_total_relation_size");
    let rows = client.query(&sql, &[&std::slice::from_ref(&table.name)]).await?;
    Ok(rows.iter().filter_map(StoredPartition::from_row).collect())
}

async fn move_rows(client: &mut Object, table: &Table, partition: &StoredPartition) -> Result<u64, StoreError> {
    let columns = "select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute a
        join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'metrics' and c.relname = $1 and a.attnum > 0 and not a.attisdropped";
    let transaction = client.transaction().await?;
    let columns: String = transaction.query_one(columns, &[&table.name]).await?.get(0);
    let (name, part) = (&table.name, &partition.name);
    let moving = format!("insert into metrics.\"{name}\" ({columns}) select {columns} from metrics.\"{part}\"");
    let rows = transaction.execute(&moving, &[]).await?;
    transaction.simple_query(&drop_table(partition)).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Compresses what is over at once, so that the disk never holds more than a partition twice.
async fn compress(client: &Object, table: &Table, partition: &StoredPartition) -> Result<(), StoreError> {
    let sql = "select compress_chunk(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass, true)
        from timescaledb_information.chunks c
        join timescaledb_information.hypertables h
            on h.hypertable_schema = c.hypertable_schema and h.hypertable_name = c.hypertable_name
        where c.hypertable_schema = 'metrics' and c.hypertable_name = $1 and h.compression_enabled
            and not c.is_compressed and c.range_end <= least($2, now() - interval '1 day')";
    client.query(sql, &[&table.name, &partition.end]).await?;
    Ok(())
}
