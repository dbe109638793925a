//! What batches say of collectors, instances and sets, beside the rows of sets: the newest of each. Batches of several
//! collectors are written together, so that each statement runs once for all of them.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;
use wire::Status;

use crate::check::reason;
use crate::encode::{Latest, Prepared};
use crate::{clock, instances};
use store::StoreError;

/// The longest error of a spool, in bytes.
const MAX_MESSAGE: usize = 4096;

/// Writes what batches say, of each collector one.
pub(crate) async fn write(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    arrivals(transaction, batches).await?;
    clock::save(transaction, batches).await?;
    instances::write(transaction, batches).await?;
    open_flags(transaction, batches).await?;
    latest(transaction, batches).await?;
    outlived_errors(transaction, batches).await?;
    collectors(transaction, batches).await
}

/// Something was heard of these instances: by our clock, whatever time it tells of.
async fn arrivals(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let arrived = batches.iter().flat_map(|batch| batch.instances.iter().map(|(id, _)| (*id, batch.arrived)));
    let (ids, times): (Vec<i32>, Vec<Timestamp>) = arrived.unzip();
    let statement = transaction
        .prepare_cached(
            "update metrics.instances i set last_seen = greatest(i.last_seen, n.at)
             from (select u.id, max(u.at) as at from unnest($1::int4[], $2::timestamptz[]) as u (id, at) group by u.id) n
             where i.id = n.id",
        )
        .await?;
    transaction.execute(&statement, &[&ids, &times]).await?;
    still_theirs(transaction, batches).await
}

/// The instances are still those that these names deliver to: they are locked now, so that none goes on under another
/// name before this is committed.
async fn still_theirs(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let (mut collectors, mut names, mut ids, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for batch in batches {
        for (id, instance) in &batch.instances {
            collectors.push(batch.collector_id);
            names.push(instance.name.as_str());
            ids.push(*id);
            times.push(moment(batch.created_us));
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let statement = transaction
        .prepare_cached(
            "select exists (
                 select from unnest($1::uuid[], $2::text[], $3::int4[], $4::timestamptz[])
                     as n (collector_id, name, instance_id, at)
                 where not exists (
                     select from metrics.sources s
                     where s.collector_id = n.collector_id and s.name = n.name and s.instance_id = n.instance_id
                         and (s.until is null or s.until >= n.at)))",
        )
        .await?;
    let went_on: bool = transaction.query_one(&statement, &[&collectors, &names, &ids, &times]).await?.get(0);
    if went_on { Err(StoreError::WentOn) } else { Ok(()) }
}

/// A flag that does not know its start begins where the set was read last, as far as anything was.
async fn open_flags(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let open = batches.iter().flat_map(|batch| batch.open_flags.iter().map(|(id, end)| (*id, moment(*end))));
    let (ids, ends): (Vec<i32>, Vec<Option<Timestamp>>) = open.unzip();
    if ids.is_empty() {
        return Ok(());
    }
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

/// What collectors say of themselves.
async fn collectors(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = batches.iter().map(|batch| batch.collector_id).collect();
    let versions: Vec<&str> = batches.iter().map(|batch| batch.version.as_str()).collect();
    let hostnames: Vec<&str> = batches.iter().map(|batch| batch.hostname.as_str()).collect();
    let told = |of: &dyn Fn(&Status) -> Option<u64>| -> Vec<Option<i64>> {
        let number = |batch: &&Prepared| Some(i64::try_from(of(batch.status.as_ref()?)?).unwrap_or(i64::MAX));
        batches.iter().map(number).collect()
    };
    let numbers = |of: fn(&Status) -> u64| told(&|status| Some(of(status)));
    let created: Vec<Option<Timestamp>> = batches.iter().map(|batch| moment(batch.created_us)).collect();
    let newest = |of: fn(&Latest) -> i64| -> Vec<Option<Timestamp>> {
        let good = |batch: &&Prepared| batch.latest.iter().filter(|latest| latest.error.is_none()).map(of).max();
        batches.iter().map(|batch| good(batch).and_then(moment)).collect()
    };
    let ahead: Vec<Option<i64>> = batches.iter().map(|batch| batch.ahead_us).collect();
    let statuses = || batches.iter().map(|batch| batch.status.as_ref());
    let words = |of: fn(&Status) -> &str| -> Vec<Option<String>> {
        let word = |status: Option<&Status>| Some(reason(of(status?), MAX_MESSAGE)).filter(|word| !word.is_empty());
        statuses().map(word).collect()
    };
    let moments = |of: fn(&Status) -> Option<i64>| -> Vec<Option<Timestamp>> {
        statuses().map(|status| moment(of(status?)?)).collect()
    };
    let statement = transaction
        .prepare_cached(
            "insert into metrics.collectors as c (collector_id, version, hostname, spool_records, spool_bytes,
                 spool_max_bytes, cpu_us, peak_memory_bytes, late_cycles, refused_batches, received_at,
                 batch_created_at, last_reading_started, last_reading_time, lag_us, clock_ahead_us,
                 spool_error, spool_error_since, unspooled_cycles, config_error, config_error_since,
                 config_version, config_refused)
             select n.id, n.version, n.hostname, n.spool_records, n.spool_bytes, n.spool_max_bytes, n.cpu_us,
                 n.peak_memory_bytes, n.late_cycles, n.refused_batches, now(), n.created, n.started, n.time,
                 greatest((extract(epoch from now() - n.created) * 1000000)::int8, 0), n.ahead_us,
                 n.spool_error, n.spool_error_since, n.unspooled_cycles, n.config_error, n.config_error_since,
                 n.config_version, n.config_refused
             from unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::int8[],
                     $8::int8[], $9::int8[], $10::int8[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
                     $14::int8[], $15::text[], $16::timestamptz[], $17::int8[], $18::text[], $19::timestamptz[],
                     $20::int8[], $21::int8[])
                 as n (id, version, hostname, spool_records, spool_bytes, spool_max_bytes, cpu_us, peak_memory_bytes,
                     late_cycles, refused_batches, created, started, time, ahead_us, spool_error, spool_error_since,
                     unspooled_cycles, config_error, config_error_since, config_version, config_refused)
             order by n.id
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
                 unspooled_cycles = coalesce(excluded.unspooled_cycles, c.unspooled_cycles),
                 config_error = excluded.config_error, config_error_since = excluded.config_error_since,
                 config_version = excluded.config_version, config_refused = excluded.config_refused",
        )
        .await?;
    transaction
        .execute(
            &statement,
            &[
                &ids,
                &versions,
                &hostnames,
                &numbers(|status| status.spool_records),
                &numbers(|status| status.spool_bytes),
                &numbers(|status| status.spool_max_bytes),
                &numbers(|status| status.cpu_us),
                &numbers(|status| status.peak_memory_bytes),
                &numbers(|status| status.late_cycles),
                &numbers(|status| status.refused_batches),
                &created,
                &newest(|latest| latest.started_us),
                &newest(|latest| latest.time_us),
                &ahead,
                &words(|status| &status.spool_error),
                &moments(|status| status.spool_error_since_us),
                &numbers(|status| status.unspooled_cycles),
                &words(|status| &status.config_error),
                &moments(|status| status.config_error_since_us),
                &told(&|status| status.config_version),
                &told(&|status| status.config_refused),
            ],
        )
        .await?;
    Ok(())
}

async fn latest(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let all: Vec<&Latest> = batches.iter().flat_map(|batch| &batch.latest).collect();
    if all.is_empty() {
        return Ok(());
    }
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
async fn outlived_errors(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let latest = batches.iter().flat_map(|batch| &batch.latest);
    let failed = latest.filter(|latest| latest.error.is_some()).map(|latest| latest.instance_id);
    let instances = batches.iter().flat_map(|batch| &batch.instances);
    let told = instances.filter(|(_, instance)| !instance.states.is_empty()).map(|(id, _)| *id);
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

/// A moment in microseconds since 1970, if there is such a one.
pub(crate) fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}
