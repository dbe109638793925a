//! One transaction for a group of batches: ledger first, then one COPY per table, then the small
//! rows, then commit. The ledger decides what is a duplicate, also after a commit whose answer was lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deadpool_postgres::{Object, Transaction};
use futures_util::SinkExt;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Rejected;
use crate::copy::{HEADER, TRAILER};
use crate::encode::{Prepared, rejected_rows};
use crate::infos;
use crate::process::{self, Replaced};
use crate::said;
use store::{Day, Failure, Store, StoreError};

/// How long one transaction may take before its connection is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its rows are committed.
    Stored,
    /// It was committed before.
    Duplicate,
    /// The store refused its values; that is committed.
    Rejected(Vec<Rejected>),
    /// Another process of its collector began since.
    Replaced(Replaced),
}

/// Writes a group. Batches must be in the order of their keys.
///
/// A group that fails for its values is rolled back and each batch is tried alone; one that fails
/// alone is recorded as rejected.
pub(crate) async fn write_group(store: &Store, group: &[Arc<Prepared>]) -> Vec<Result<Outcome, StoreError>> {
    match attempt(store, group).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if error.failure() == Failure::Values => {
            tracing::warn!(
                batches = group.len(),
                sqlstate = error.sql_state().map_or("", |state| state.code()),
                "the store refused a group's values; each batch is tried alone"
            );
            // Another server may have dropped a partition that we believe to exist.
            store.partitions().forget();
            let mut results = Vec::with_capacity(group.len());
            for batch in group {
                results.push(alone(store, batch).await);
            }
            results
        }
        Err(error) => {
            let why = error.why();
            let mut results: Vec<Result<Outcome, StoreError>> =
                group.iter().skip(1).map(|_| Err(StoreError::Shared { why })).collect();
            results.push(Err(error));
            results
        }
    }
}

async fn alone(store: &Store, batch: &Arc<Prepared>) -> Result<Outcome, StoreError> {
    let error = match attempt(store, std::slice::from_ref(batch)).await {
        Ok(mut outcomes) => return Ok(outcomes.pop().unwrap_or(Outcome::Stored)),
        Err(error) if error.failure() == Failure::Values => error,
        Err(error) => return Err(error),
    };
    let state = error.sql_state().map_or("", |state| state.code()).to_owned();
    tracing::error!(
        collector.id = %batch.collector_id,
        sqlstate = state,
        rows = batch.rows(),
        "the store refused a batch's values; it is recorded as rejected"
    );
    let rejected: Vec<Rejected> = batch
        .rows_by_set
        .iter()
        .map(|(set, rows)| Rejected {
            set: set.clone(),
            column: None,
            reason: format!("refused_by_store_{state}"),
            rows: *rows,
        })
        .collect();
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    let entered = enter(&transaction, batch).await?;
    if entered != Outcome::Stored {
        transaction.commit().await?;
        return Ok(entered);
    }
    let (statement, rows) = rejected_rows(batch.collector_id, batch.key, &rejected, Timestamp::now().as_microsecond());
    copy(&transaction, statement, &[rows.into_bytes()]).await?;
    transaction.commit().await?;
    Ok(Outcome::Rejected(rejected))
}

async fn attempt(store: &Store, group: &[Arc<Prepared>]) -> Result<Vec<Outcome>, StoreError> {
    let days: BTreeSet<&(String, Day)> = group.iter().flat_map(|batch| &batch.days).collect();
    store.ensure_partitions(days.into_iter().map(|(table, day)| (table.as_str(), *day))).await?;
    let mut client = store.client().await?;
    let written = tokio::time::timeout(WRITE_TIMEOUT, transact(&mut client, group)).await;
    written.unwrap_or_else(|_| {
        // Whatever it was doing, the connection must not be used again.
        drop(Object::take(client));
        Err(StoreError::Timeout)
    })
}

async fn transact(client: &mut Object, group: &[Arc<Prepared>]) -> Result<Vec<Outcome>, StoreError> {
    let transaction = client.transaction().await?;
    let mut outcomes = Vec::with_capacity(group.len());
    let mut fresh: Vec<&Arc<Prepared>> = Vec::with_capacity(group.len());
    for batch in group {
        let entered = enter(&transaction, batch).await?;
        if entered == Outcome::Stored {
            fresh.push(batch);
        }
        outcomes.push(entered);
    }
    let mut tables: BTreeMap<&str, Vec<Bytes>> = BTreeMap::new();
    for batch in &fresh {
        for (statement, (_, bytes)) in &batch.tables {
            tables.entry(statement).or_default().push(bytes.clone());
        }
    }
    for (statement, chunks) in tables {
        copy(&transaction, statement, &chunks).await?;
    }
    for wave in waves(&fresh) {
        said::write(&transaction, &wave).await?;
    }
    infos::write(&transaction, &fresh).await?;
    transaction.commit().await?;
    Ok(outcomes)
}

/// Batches that can be written together, in order: of each collector one at a time.
fn waves<'a>(fresh: &[&'a Arc<Prepared>]) -> Vec<Vec<&'a Prepared>> {
    let mut waves: Vec<Vec<&Prepared>> = Vec::new();
    let mut taken: HashMap<Uuid, usize> = HashMap::new();
    for batch in fresh {
        let nth = taken.entry(batch.collector_id).or_default();
        if waves.len() == *nth {
            waves.push(Vec::new());
        }
        waves[*nth].push(batch);
        *nth += 1;
    }
    waves
}

/// Enters a batch into the ledger: a duplicate where it stands there already. A concurrent repetition
/// waits here for the first one's commit, and so does another process of its collector.
async fn enter(transaction: &Transaction<'_>, batch: &Prepared) -> Result<Outcome, StoreError> {
    if let Some(replaced) = process::enter(transaction, batch).await? {
        return Ok(Outcome::Replaced(replaced));
    }
    let Some((epoch, sequence)) = batch.key else { return Ok(Outcome::Stored) };
    let statement = transaction
        .prepare_cached(
            "insert into metrics.ledger as l (collector_id, epoch, seen, last_at)
             values ($1, $2, int8multirange(int8range($3, $3, '[]')), now())
             on conflict (collector_id, epoch) do update
             set seen = l.seen + excluded.seen, last_at = now()
             where not l.seen @> excluded.seen",
        )
        .await?;
    let is_new = transaction.execute(&statement, &[&batch.collector_id, &epoch, &sequence]).await? == 1;
    Ok(if is_new { Outcome::Stored } else { Outcome::Duplicate })
}

async fn copy(transaction: &Transaction<'_>, statement: &str, chunks: &[Bytes]) -> Result<u64, StoreError> {
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(statement).await?);
    sink.feed(Bytes::from_static(HEADER)).await?;
    for chunk in chunks {
        sink.feed(chunk.clone()).await?;
    }
    sink.feed(Bytes::from_static(TRAILER)).await?;
    Ok(sink.finish().await?)
}

/// What is stored of a collector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// The highest number of the epoch that was asked for.
    pub(crate) last_sequence: Option<i64>,
    /// The newest epoch.
    pub(crate) last_epoch: Option<Uuid>,
    /// Whether the batch is missing that the collector takes for acknowledged.
    pub(crate) forgotten: bool,
    /// The process that delivered last, and how long ago that was.
    pub(crate) last_process: Option<Uuid>,
    pub(crate) last_process_ago_ms: Option<f64>,
}

/// What is stored of a collector, of one of its epochs, and of the batch that it takes for acknowledged.
pub(crate) async fn known(
    store: &Store,
    collector_id: Uuid,
    epoch: Uuid,
    acknowledged: Option<(Uuid, i64)>,
) -> Result<Known, StoreError> {
    let client = store.client().await?;
    let statement = client
        .prepare_cached(
            "select (select upper(seen) - 1 from metrics.ledger where collector_id = $1 and epoch = $2),
                 (select epoch from metrics.ledger where collector_id = $1 order by epoch desc limit 1),
                 $4::int8 is not null and not exists (
                     select from metrics.ledger where collector_id = $1 and epoch = $3 and seen @> $4::int8),
                 p.delivered, extract(epoch from now() - p.delivered_at)::float8 * 1000
             from (values ($1::uuid)) as c (id) left join metrics.processes p on p.collector_id = c.id",
        )
        .await?;
    let (epoch_of_it, sequence) = acknowledged.unzip();
    let row = client.query_one(&statement, &[&collector_id, &epoch, &epoch_of_it, &sequence]).await?;
    Ok(Known {
        last_sequence: row.get(0),
        last_epoch: row.get(1),
        forgotten: row.get(2),
        last_process: row.get(3),
        last_process_ago_ms: row.get(4),
    })
}

/// Texts are written before the batch, in a short transaction of their own: keys in order, the
/// first text of a key stays unless another cluster had it, and orphans harm nobody.
pub(crate) async fn write_texts(store: &Store, batch: &Prepared) -> Result<(), StoreError> {
    if batch.texts.is_empty() {
        return Ok(());
    }
    let told: BTreeMap<i32, u32> = batch
        .instances
        .iter()
        .filter_map(|(id, instance)| Some((*id, instance.attributes.as_ref()?.version_num)))
        .collect();
    let texts = &batch.texts;
    let ids: Vec<i32> = texts.iter().map(|text| text.instance_id).collect();
    let versions: Vec<Option<i32>> =
        texts.iter().map(|text| told.get(&text.instance_id).and_then(|version| i32::try_from(*version).ok())).collect();
    let dbids: Vec<i64> = texts.iter().map(|text| text.dbid).collect();
    let queryids: Vec<i64> = texts.iter().map(|text| text.queryid).collect();
    let queries: Vec<&str> = texts.iter().map(|text| &*text.query).collect();
    let captured: Vec<Option<Timestamp>> = texts.iter().map(|text| said::moment(text.captured_us)).collect();
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    // Whose texts they are must be known before them: a collector sends each once.
    for (id, instance) in batch.instances.iter().filter(|(id, _)| ids.contains(id)) {
        said::cluster(&transaction, batch, *id, instance).await?;
    }
    transaction
        .execute(
            "insert into metrics.texts as t (instance_id, major, dbid, queryid, query, captured_at)
             select n.instance_id, coalesce(n.version_num, i.version_num, 0) / 10000, n.dbid, n.queryid, n.query, n.at
             from unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::text[], $6::timestamptz[])
                 as n (instance_id, version_num, dbid, queryid, query, at)
             join metrics.instances i on i.id = n.instance_id
             order by 1, 2, 3, 4
             on conflict (instance_id, major, dbid, queryid) do update
             set query = excluded.query, captured_at = excluded.captured_at
             where t.captured_at < metrics.cluster_since(t.instance_id, excluded.captured_at)",
            &[&ids, &versions, &dbids, &queryids, &queries, &captured],
        )
        .await?;
    Ok(transaction.commit().await?)
}
