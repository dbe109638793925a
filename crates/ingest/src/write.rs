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
use crate::ledger::{self, Entry};
use crate::process::Replaced;
use crate::{infos, said, texts};
use store::{Day, Failure, Store, StoreError};

/// How long one transaction may take before its connection is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// The most bytes of texts in one statement, unless one batch has more.
const MAX_TEXT_BYTES: usize = 128 * 1024;

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
pub(crate) async fn write_group(store: &Store, group: &[Arc<Prepared>]) -> Vec<Result<Entry, StoreError>> {
    match texts_and_rows(store, group).await {
        Ok(entries) => entries.into_iter().map(Ok).collect(),
        // Of one that went on elsewhere its own collector is told, and not those that share the transaction.
        Err(StoreError::WentOn) if group.len() > 1 => {
            let mut results = Vec::with_capacity(group.len());
            for batch in group {
                results.push(alone(store, batch).await);
            }
            results
        }
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
            let mut results: Vec<Result<Entry, StoreError>> =
                group.iter().skip(1).map(|_| Err(StoreError::Shared { why })).collect();
            results.push(Err(error));
            results
        }
    }
}

async fn texts_and_rows(store: &Store, group: &[Arc<Prepared>]) -> Result<Vec<Entry>, StoreError> {
    write_texts(store, group).await?;
    attempt(store, group).await
}

/// Texts go before the rows: a collector sends each once, so they stay whatever becomes of those.
async fn write_texts(store: &Store, group: &[Arc<Prepared>]) -> Result<(), StoreError> {
    let waves = waves(group.iter().filter(|batch| !batch.texts.is_empty()));
    if waves.is_empty() {
        return Ok(());
    }
    let mut client = store.client().await?;
    let written = tokio::time::timeout(WRITE_TIMEOUT, async {
        for wave in &waves {
            for part in parts(wave) {
                texts::write(&mut client, part).await?;
            }
        }
        Ok(())
    })
    .await;
    written.unwrap_or_else(|_| Err(given_up(client)))
}

/// Batches in parts whose texts are of a size that a connection may keep memory for: it keeps what its largest
/// statement took, and all connections of a pool come to that.
fn parts<'a, 'b>(batches: &'b [&'a Prepared]) -> Vec<&'b [&'a Prepared]> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (nth, batch) in batches.iter().enumerate() {
        let more: usize = batch.texts.iter().map(|text| text.query.len()).sum();
        if bytes + more > MAX_TEXT_BYTES && begin < nth {
            parts.push(&batches[begin..nth]);
            (begin, bytes) = (nth, 0);
        }
        bytes += more;
    }
    parts.push(&batches[begin..]);
    parts
}

/// Whatever it was doing, the connection must not be used again.
fn given_up(client: Object) -> StoreError {
    drop(Object::take(client));
    StoreError::Timeout
}

async fn alone(store: &Store, batch: &Arc<Prepared>) -> Result<Entry, StoreError> {
    write_texts(store, std::slice::from_ref(batch)).await?;
    let error = match attempt(store, std::slice::from_ref(batch)).await {
        Ok(mut entries) => return entries.pop().ok_or(StoreError::Closed),
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
    let mut entry = ledger::enter(&transaction, &[batch]).await?.pop().ok_or(StoreError::Closed)?;
    if entry.outcome != Outcome::Stored {
        transaction.commit().await?;
        return Ok(entry);
    }
    let (statement, rows) = rejected_rows(batch.collector_id, batch.key, &rejected, Timestamp::now().as_microsecond());
    copy(&transaction, statement, &[rows.into_bytes()]).await?;
    transaction.commit().await?;
    entry.outcome = Outcome::Rejected(rejected);
    Ok(entry)
}

async fn attempt(store: &Store, group: &[Arc<Prepared>]) -> Result<Vec<Entry>, StoreError> {
    let days: BTreeSet<&(String, Day)> = group.iter().flat_map(|batch| &batch.days).collect();
    store.ensure_partitions(days.into_iter().map(|(table, day)| (table.as_str(), *day))).await?;
    let mut client = store.client().await?;
    let written = tokio::time::timeout(WRITE_TIMEOUT, transact(&mut client, group)).await;
    let written = written.unwrap_or_else(|_| Err(given_up(client)));
    if matches!(written, Err(StoreError::WentOn)) {
        store.instances().forget();
    }
    written
}

async fn transact(client: &mut Object, group: &[Arc<Prepared>]) -> Result<Vec<Entry>, StoreError> {
    let transaction = client.transaction().await?;
    let all: Vec<&Prepared> = group.iter().map(AsRef::as_ref).collect();
    let entries = ledger::enter(&transaction, &all).await?;
    let fresh: Vec<&Arc<Prepared>> = group
        .iter()
        .zip(&entries)
        .filter(|(_, entry)| entry.outcome == Outcome::Stored)
        .map(|(batch, _)| batch)
        .collect();
    let mut tables: BTreeMap<&str, Vec<Bytes>> = BTreeMap::new();
    for batch in &fresh {
        for (statement, (_, bytes)) in &batch.tables {
            tables.entry(statement).or_default().push(bytes.clone());
        }
    }
    for (statement, chunks) in tables {
        copy(&transaction, statement, &chunks).await?;
    }
    for wave in waves(fresh.iter().copied()) {
        said::write(&transaction, &wave).await?;
    }
    infos::write(&transaction, &fresh).await?;
    transaction.commit().await?;
    Ok(entries)
}

/// Batches that can be written together, in order: of each collector one at a time.
fn waves<'a>(batches: impl IntoIterator<Item = &'a Arc<Prepared>>) -> Vec<Vec<&'a Prepared>> {
    let mut waves: Vec<Vec<&Prepared>> = Vec::new();
    let mut taken: HashMap<Uuid, usize> = HashMap::new();
    for batch in batches {
        let nth = taken.entry(batch.collector_id).or_default();
        if waves.len() == *nth {
            waves.push(Vec::new());
        }
        waves[*nth].push(batch);
        *nth += 1;
    }
    waves
}

async fn copy(transaction: &Transaction<'_>, statement: &str, chunks: &[Bytes]) -> Result<u64, StoreError> {
    let statement = transaction.prepare_cached(statement).await?;
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(&statement).await?);
    sink.feed(Bytes::from_static(HEADER)).await?;
    for chunk in chunks {
        sink.feed(chunk.clone()).await?;
    }
    sink.feed(Bytes::from_static(TRAILER)).await?;
    Ok(sink.finish().await?)
}
