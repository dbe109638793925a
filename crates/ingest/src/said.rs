//! What batches say of collectors, instances and sets, beside the rows of sets: the newest of each. Batches of several
//! collectors are written together, so that each statement runs once for all of them.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use wire::{Instance, State, StateCode};

use crate::check::clean;
use crate::encode::{Latest, Prepared};
use store::StoreError;

/// The longest message or SQL of a set's state, in bytes.
const MAX_MESSAGE: usize = 4096;

/// Writes what batches say, of each collector one.
pub(crate) async fn write(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    arrivals(transaction, batches).await?;
    for batch in batches {
        let created = moment(batch.created_us);
        for (id, instance) in &batch.instances {
            instance_row(transaction, *id, instance, created).await?;
            cluster(transaction, batch, *id, instance).await?;
            if !instance.states.is_empty() {
                states(transaction, *id, instance, created).await?;
            }
        }
    }
    open_flags(transaction, batches).await?;
    latest(transaction, batches).await?;
    outlived_errors(transaction, batches).await?;
    for batch in batches {
        collector(transaction, batch).await?;
    }
    Ok(())
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
    Ok(())
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

/// What a collector says of itself.
async fn collector(transaction: &Transaction<'_>, batch: &Prepared) -> Result<(), StoreError> {
    let created = moment(batch.created_us);
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
pub(crate) async fn cluster(
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
