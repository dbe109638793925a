//! One transaction for a group of batches: ledger first, then one COPY per table, then the small
//! rows, then commit. The ledger decides what is a duplicate, also after a commit whose answer was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deadpool_postgres::{Object, Transaction};
use futures_util::SinkExt;
use jiff::Timestamp;
use uuid::Uuid;
use wire::{Instance, State, StateCode};

use crate::Rejected;
use crate::check::clean;
use crate::copy::{HEADER, TRAILER};
use crate::encode::{Prepared, rejected_rows};
use crate::process::{self, Replaced};
use store::{Day, Failure, Store, StoreError};

/// How long one transaction may take before its connection is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest message or SQL of a set's state, in bytes.
const MAX_MESSAGE: usize = 4096;

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
    for batch in &fresh {
        small_rows(&transaction, batch).await?;
    }
    transaction.commit().await?;
    Ok(outcomes)
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

async fn small_rows(transaction: &Transaction<'_>, batch: &Prepared) -> Result<(), StoreError> {
    let created = moment(batch.created_us);
    arrivals(transaction, batch).await?;
    for (id, instance) in &batch.instances {
        instance_row(transaction, *id, instance, created).await?;
        cluster(transaction, batch, *id, instance).await?;
        if !instance.states.is_empty() {
            states(transaction, *id, instance, created).await?;
        }
    }
    open_flags(transaction, batch).await?;
    latest(transaction, batch).await?;
    outlived_errors(transaction, batch).await?;
    let status = batch.status.as_ref();
    let number =
        |value: fn(&wire::Status) -> u64| status.map(|status| i64::try_from(value(status)).unwrap_or(i64::MAX));
    let error = status.map(|status| clean(&status.spool_error, MAX_MESSAGE)).filter(|error| !error.is_empty());
    let error_since = status.and_then(|status| moment(status.spool_error_since_us?));
    let good = || batch.latest.iter().filter(|latest| latest.error.is_none());
    let started = good().map(|latest| latest.started_us).max().and_then(moment);
    let time = good().map(|latest| latest.time_us).max().and_then(moment);
    let statement = transaction
        .prepare_cached(
            "insert into metrics.collectors as c (collector_id, version, hostname, spool_records, spool_bytes,
                 spool_max_bytes, cpu_us, peak_memory_bytes, late_cycles, refused_batches, received_at,
                 batch_created_at, last_reading_started, last_reading_time, lag_us, clock_ahead_us,
                 spool_error, spool_error_since, unspooled_cycles)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), $11, $12, $13,
                 greatest((extract(epoch from now() - $11) * 1000000)::int8, 0), $14, $15, $16, $17)
             on conflict (collector_id) do update set
                 version = excluded.version, hostname = excluded.hostname,
                 spool_records = coalesce(excluded.spool_records, c.spool_records),
                 spool_bytes = coalesce(excluded.spool_bytes, c.spool_bytes),
                 spool_max_bytes = coalesce(excluded.spool_max_bytes, c.spool_max_bytes),
                 cpu_us = coalesce(excluded.cpu_us, c.cpu_us),
                 peak_memory_bytes = coalesce(excluded.peak_memory_bytes, c.peak_memory_bytes),
                 late_cycles = coalesce(excluded.late_cycles, c.late_cycles),
                 refused_batches = coalesce(excluded.refused_batches, c.refused_batches),
                 received_at = greatest(c.received_at, excluded.received_at),
                 batch_created_at = greatest(c.batch_created_at, excluded.batch_created_at), lag_us = excluded.lag_us,
                 clock_ahead_us = coalesce(excluded.clock_ahead_us, c.clock_ahead_us),
                 last_reading_started = greatest(c.last_reading_started, excluded.last_reading_started),
                 last_reading_time = greatest(c.last_reading_time, excluded.last_reading_time),
                 spool_error = excluded.spool_error, spool_error_since = excluded.spool_error_since,
                 unspooled_cycles = coalesce(excluded.unspooled_cycles, c.unspooled_cycles)",
        )
        .await?;
    transaction
        .execute(
            &statement,
            &[
                &batch.collector_id,
                &batch.version,
                &batch.hostname,
                &number(|s| s.spool_records),
                &number(|s| s.spool_bytes),
                &number(|s| s.spool_max_bytes),
                &number(|s| s.cpu_us),
                &number(|s| s.peak_memory_bytes),
                &number(|s| s.late_cycles),
                &number(|s| s.refused_batches),
                &created,
                &started,
                &time,
                &batch.ahead_us,
                &error,
                &error_since,
                &number(|s| s.unspooled_cycles),
            ],
        )
        .await?;
    Ok(())
}

/// Something was heard of these instances: by our clock, whatever time it tells of.
async fn arrivals(transaction: &Transaction<'_>, batch: &Prepared) -> Result<(), StoreError> {
    let ids: Vec<i32> = batch.instances.iter().map(|(id, _)| *id).collect();
    let statement = transaction
        .prepare_cached("update metrics.instances set last_seen = greatest(last_seen, $2) where id = any($1)")
        .await?;
    transaction.execute(&statement, &[&ids, &batch.arrived]).await?;
    Ok(())
}

/// A flag that does not know its start begins where the set was read last, as far as anything was.
async fn open_flags(transaction: &Transaction<'_>, batch: &Prepared) -> Result<(), StoreError> {
    if batch.open_flags.is_empty() {
        return Ok(());
    }
    let ids: Vec<i32> = batch.open_flags.iter().map(|(id, _)| *id).collect();
    let ends: Vec<Option<Timestamp>> = batch.open_flags.iter().map(|(_, end)| moment(*end)).collect();
    let statement = transaction
        .prepare_cached(
            "update metrics.flags f set start = l.last_reading_time
             from metrics.latest l, unnest($1::int4[], $2::timestamptz[]) as n (instance_id, at)
             where f.instance_id = n.instance_id and f.\"end\" = n.at and f.start = f.\"end\"
                 and l.instance_id = f.instance_id and l.set_name = f.set_name and l.last_reading_time < f.start",
        )
        .await?;
    transaction.execute(&statement, &[&ids, &ends]).await?;
    Ok(())
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

/// Batches can arrive out of order: an older one never overwrites what a newer one said.
async fn instance_row(
    transaction: &Transaction<'_>,
    id: i32,
    instance: &Instance,
    created: Option<Timestamp>,
) -> Result<(), StoreError> {
    if let Some(error) = &instance.error {
        let statement = transaction
            .prepare_cached(
                "update metrics.instances set error = $2, error_at = $3
                 where id = $1 and $3 >= coalesce(greatest(error_at, attributes_at), '-infinity')",
            )
            .await?;
        transaction.execute(&statement, &[&id, &clean(error, MAX_MESSAGE), &created]).await?;
    }
    let Some(said) = &instance.attributes else { return Ok(()) };
    let statement = transaction
        .prepare_cached(
            "update metrics.instances set
                 system_identifier = $2, role = $3, version_num = $4, version = $5, host = $6, port = $7,
                 timeline = $8, postmaster_start = $9, clock_offset_us = $10, max_connections = $11, track = $12,
                 statements_version = $13, attributes_at = $14,
                 error = case when error_at > $14 then error end, error_at = case when error_at > $14 then error_at end
             where id = $1 and $14 >= coalesce(attributes_at, '-infinity')",
        )
        .await?;
    let int4 = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let word = |text: &str| clean(text, MAX_MESSAGE);
    transaction
        .execute(
            &statement,
            &[
                &id,
                &word(&said.system_identifier),
                &word(&said.role),
                &int4(said.version_num),
                &word(&said.version),
                &word(&said.host),
                &int4(said.port),
                &said.timeline.map(i64::from),
                &moment(said.postmaster_start_us),
                &said.clock_offset_us,
                &said.max_connections.map(int4),
                &said.track.as_deref().map(word),
                &said.statements_version.as_deref().map(word),
                &created,
            ],
        )
        .await?;
    Ok(())
}

/// Notes from when on another cluster answers under the instance's name: from the first reading of the batch that says
/// so, as all that is read in a cycle is of one cluster. The first that is ever told of answered before, too. Batches
/// arrive in any order: an earlier one of the same cluster moves its beginning.
async fn cluster(
    transaction: &Transaction<'_>,
    batch: &Prepared,
    id: i32,
    instance: &Instance,
) -> Result<(), StoreError> {
    let identifier = instance.attributes.as_ref().map(|said| clean(&said.system_identifier, MAX_MESSAGE));
    let Some(identifier) = identifier.filter(|identifier| !identifier.is_empty()) else { return Ok(()) };
    let readings = batch.latest.iter().filter(|latest| latest.instance_id == id && latest.error.is_none());
    let since = readings.map(|latest| latest.started_us.min(latest.time_us)).min().unwrap_or(batch.created_us);
    let statement = transaction
        .prepare_cached(
            "with before as (
                 select c.system_identifier from metrics.clusters c where c.instance_id = $1 and c.since <= $2
                 order by c.since desc limit 1),
             after as (
                 select c.since, c.system_identifier from metrics.clusters c where c.instance_id = $1 and c.since > $2
                 order by c.since limit 1),
             moved as (
                 update metrics.clusters c set since = $2 from after a
                 where c.instance_id = $1 and c.since = a.since and a.system_identifier = $3
                     and $3 is distinct from (select b.system_identifier from before b)
                 returning c.since)
             insert into metrics.clusters (instance_id, since, system_identifier)
             select $1, case when known.told then $2::timestamptz else '-infinity' end, $3
             from (select exists (select from metrics.clusters c where c.instance_id = $1) as told) known
             where $3 is distinct from (select b.system_identifier from before b)
                 and not exists (select from moved)
             on conflict do nothing",
        )
        .await?;
    transaction.execute(&statement, &[&id, &moment(since), &identifier]).await?;
    Ok(())
}

/// An instance's states come whole: what is not among them is forgotten, `since` of what did not change stays.
async fn states(
    transaction: &Transaction<'_>,
    id: i32,
    instance: &Instance,
    created: Option<Timestamp>,
) -> Result<(), StoreError> {
    let newest = transaction
        .execute(
            "update metrics.instances set states_at = $2
             where id = $1 and $2 >= coalesce(states_at, '-infinity')",
            &[&id, &created],
        )
        .await?;
    if newest == 0 {
        return Ok(());
    }
    let mut by_key: BTreeMap<(String, String), [String; 4]> = BTreeMap::new();
    for state in &instance.states {
        let key = (clean(&state.set, catalog::MAX_NAME), clean(&state.column, catalog::MAX_NAME));
        let words = [
            state_word(state.state).to_owned(),
            code_word(state.code).to_owned(),
            clean(&state.message, MAX_MESSAGE),
            clean(&state.fix, MAX_MESSAGE),
        ];
        by_key.insert(key, words);
    }
    let sets: Vec<&str> = by_key.keys().map(|(set, _)| set.as_str()).collect();
    let columns: Vec<&str> = by_key.keys().map(|(_, column)| column.as_str()).collect();
    let nth = |at: usize| by_key.values().map(|words| words[at].as_str()).collect::<Vec<&str>>();
    transaction
        .execute(
            "delete from metrics.set_states s where s.instance_id = $1 and not exists (
                 select from unnest($2::text[], $3::text[]) as n (set_name, column_name)
                 where n.set_name = s.set_name and n.column_name = s.column_name)",
            &[&id, &sets, &columns],
        )
        .await?;
    transaction
        .execute(
            "insert into metrics.set_states as s
                 (instance_id, set_name, column_name, state, code, message, fix, since, checked_at)
             select $1, n.*, $8, $8
             from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as n
             on conflict (instance_id, set_name, column_name) do update set
                 since = case when s.state = excluded.state and s.code = excluded.code then s.since
                              else excluded.since end,
                 state = excluded.state, code = excluded.code, message = excluded.message, fix = excluded.fix,
                 checked_at = excluded.checked_at",
            &[&id, &sets, &columns, &nth(0), &nth(1), &nth(2), &nth(3), &created],
        )
        .await?;
    Ok(())
}

async fn latest(transaction: &Transaction<'_>, batch: &Prepared) -> Result<(), StoreError> {
    if batch.latest.is_empty() {
        return Ok(());
    }
    let all = &batch.latest;
    let ids: Vec<i32> = all.iter().map(|one| one.instance_id).collect();
    let sets: Vec<&str> = all.iter().map(|one| one.set.as_str()).collect();
    let started: Vec<Option<Timestamp>> = all.iter().map(|one| moment(one.started_us)).collect();
    let times: Vec<Option<Timestamp>> = all.iter().map(|one| moment(one.time_us)).collect();
    let rows: Vec<i32> = all.iter().map(|one| one.rows).collect();
    let errors: Vec<Option<&str>> = all.iter().map(|one| one.error.as_deref()).collect();
    let statement = transaction
        .prepare_cached(
            "insert into metrics.latest as l
                 (instance_id, set_name, last_reading_started, last_reading_time, rows, error, error_at)
             select n.instance_id, n.set_name,
                 max(n.started) filter (where n.error is null),
                 max(n.time) filter (where n.error is null),
                 (array_agg(n.rows order by n.started desc) filter (where n.error is null))[1],
                 (array_agg(n.error order by n.started desc) filter (where n.error is not null))[1],
                 max(n.started) filter (where n.error is not null)
             from unnest($1::int4[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::int4[], $6::text[])
                 as n (instance_id, set_name, started, time, rows, error)
             group by n.instance_id, n.set_name
             order by n.instance_id, n.set_name
             on conflict (instance_id, set_name) do update set
                 rows = case when excluded.last_reading_started >= coalesce(l.last_reading_started, '-infinity')
                             then excluded.rows else l.rows end,
                 last_reading_started = greatest(l.last_reading_started, excluded.last_reading_started),
                 last_reading_time = greatest(l.last_reading_time, excluded.last_reading_time),
                 error = case when excluded.error_at >= coalesce(l.error_at, '-infinity')
                              then excluded.error else l.error end,
                 error_at = greatest(l.error_at, excluded.error_at)",
        )
        .await?;
    transaction.execute(&statement, &[&ids, &sets, &started, &times, &rows, &errors]).await?;
    Ok(())
}

/// A set that is not read any more, or never was here, has no error: what was said of it while nobody could connect, or
/// before the role or the configuration was another one, is over. Why it is not read stands in its state.
async fn outlived_errors(transaction: &Transaction<'_>, batch: &Prepared) -> Result<(), StoreError> {
    let failed = batch.latest.iter().filter(|latest| latest.error.is_some()).map(|latest| latest.instance_id);
    let told = batch.instances.iter().filter(|(_, instance)| !instance.states.is_empty()).map(|(id, _)| *id);
    let ids: BTreeSet<i32> = failed.chain(told).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<i32> = ids.into_iter().collect();
    let statement = transaction
        .prepare_cached(
            "update metrics.latest l set error = null, error_at = null
             from metrics.instances i
             where i.id = l.instance_id and l.instance_id = any($1) and l.error is not null
                 and i.states_at is not null and not exists (
                     select from metrics.set_states s
                     where s.instance_id = l.instance_id and s.set_name = l.set_name and s.column_name = ''
                         and s.state <> 'missing')",
        )
        .await?;
    transaction.execute(&statement, &[&ids]).await?;
    Ok(())
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
    let captured: Vec<Option<Timestamp>> = texts.iter().map(|text| moment(text.captured_us)).collect();
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    // Whose texts they are must be known before them: a collector sends each once.
    for (id, instance) in batch.instances.iter().filter(|(id, _)| ids.contains(id)) {
        cluster(&transaction, batch, *id, instance).await?;
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

fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

fn state_word(state: i32) -> &'static str {
    match State::try_from(state).unwrap_or(State::Error) {
        State::Works => "works",
        State::Degraded => "degraded",
        State::Missing => "missing",
        State::Error => "error",
    }
}

fn code_word(code: i32) -> &'static str {
    match StateCode::try_from(code).unwrap_or(StateCode::Failed) {
        StateCode::None => "",
        StateCode::Setting => "setting",
        StateCode::Version => "version",
        StateCode::Privilege => "privilege",
        StateCode::Role => "role",
        StateCode::Extension => "extension",
        StateCode::Failed => "failed",
        StateCode::Disabled => "disabled",
        StateCode::Machine => "machine",
    }
}
