//! What batches say of instances: what each is, which cluster answers under its name, and what can be read of it.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use wire::{Attributes, Instance, State, StateCode};

use crate::check::{clean, reason};
use crate::encode::Prepared;
use crate::said::moment;
use store::StoreError;

/// The longest message or SQL of a set's state, in bytes.
const MAX_MESSAGE: usize = 4096;

/// Which state: the instance, the set, and the column.
type StateKey = (i32, String, String);

/// Writes what batches say of their instances, of each collector one batch.
pub(crate) async fn write(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    errors(transaction, batches).await?;
    attributes(transaction, batches).await?;
    clusters(transaction, batches).await?;
    states(transaction, batches).await
}

/// Batches can arrive out of order: an older one never overwrites what a newer one said.
async fn errors(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let told = batches.iter().flat_map(|batch| {
        let failing = batch.instances.iter().filter_map(|(id, instance)| Some((*id, instance.error.as_ref()?)));
        failing.map(|(id, error)| (id, reason(error, MAX_MESSAGE), moment(batch.created_us)))
    });
    let (mut ids, mut errors, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for (id, error, time) in told {
        ids.push(id);
        errors.push(error);
        times.push(time);
    }
    if ids.is_empty() {
        return Ok(());
    }
    let statement = transaction
        .prepare_cached(
            "update metrics.instances i set error = n.error, error_at = n.at
             from unnest($1::int4[], $2::text[], $3::timestamptz[]) as n (id, error, at)
             where i.id = n.id and n.at >= coalesce(greatest(i.error_at, i.attributes_at), '-infinity')",
        )
        .await?;
    transaction.execute(&statement, &[&ids, &errors, &times]).await?;
    Ok(())
}

/// As with errors, the newest counts; it ends an error that is older.
async fn attributes(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let told: Vec<(i32, &Attributes, Option<Timestamp>)> = batches
        .iter()
        .flat_map(|batch| {
            let said = batch.instances.iter().filter_map(|(id, instance)| Some((*id, instance.attributes.as_ref()?)));
            said.map(|(id, said)| (id, said, moment(batch.created_us)))
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<i32> = told.iter().map(|(id, ..)| *id).collect();
    let created: Vec<Option<Timestamp>> = told.iter().map(|(.., created)| *created).collect();
    let words = |of: fn(&Attributes) -> Option<&str>| -> Vec<Option<String>> {
        told.iter().map(|(_, said, _)| of(said).map(|word| clean(word, MAX_MESSAGE))).collect()
    };
    let numbers = |of: fn(&Attributes) -> Option<u32>| -> Vec<Option<i32>> {
        told.iter().map(|(_, said, _)| of(said).map(|number| i32::try_from(number).unwrap_or(i32::MAX))).collect()
    };
    let timelines: Vec<Option<i64>> = told.iter().map(|(_, said, _)| said.timeline.map(i64::from)).collect();
    let starts: Vec<Option<Timestamp>> = told.iter().map(|(_, said, _)| moment(said.postmaster_start_us)).collect();
    let offsets: Vec<Option<i64>> = told.iter().map(|(_, said, _)| said.clock_offset_us).collect();
    let statement = transaction
        .prepare_cached(
            "update metrics.instances i set
                 system_identifier = n.system_identifier, role = n.role, version_num = n.version_num,
                 version = n.version, host = n.host, port = n.port, timeline = n.timeline,
                 postmaster_start = n.postmaster_start, clock_offset_us = n.clock_offset_us,
                 max_connections = n.max_connections, track = n.track, statements_version = n.statements_version,
                 attributes_at = n.at, error = case when i.error_at > n.at then i.error end,
                 error_at = case when i.error_at > n.at then i.error_at end
             from unnest($1::int4[], $2::timestamptz[], $3::text[], $4::text[], $5::int4[], $6::text[], $7::text[],
                     $8::int4[], $9::int8[], $10::timestamptz[], $11::int8[], $12::int4[], $13::text[], $14::text[])
                 as n (id, at, system_identifier, role, version_num, version, host, port, timeline, postmaster_start,
                     clock_offset_us, max_connections, track, statements_version)
             where i.id = n.id and n.at >= coalesce(i.attributes_at, '-infinity')
             returning i.id, coalesce(i.retired_at < n.at and i.continued_as is null, false)",
        )
        .await?;
    let rows = transaction
        .query(
            &statement,
            &[
                &ids,
                &created,
                &words(|said| Some(&said.system_identifier)),
                &words(|said| Some(&said.role)),
                &numbers(|said| Some(said.version_num)),
                &words(|said| Some(&said.version)),
                &words(|said| Some(&said.host)),
                &numbers(|said| Some(said.port)),
                &timelines,
                &starts,
                &offsets,
                &numbers(|said| said.max_connections),
                &words(|said| said.track.as_deref()),
                &words(|said| said.statements_version.as_deref()),
            ],
        )
        .await?;
    let back: Vec<i32> = rows.iter().filter(|row| row.get(1)).map(|row| row.get(0)).collect();
    if back.is_empty() { Ok(()) } else { returned(transaction, &back).await }
}

/// Instances that were retired and are read again are back.
async fn returned(transaction: &Transaction<'_>, ids: &[i32]) -> Result<(), StoreError> {
    let sql = "with back as (
             update metrics.instances set retired_at = null, retired_by = null, retired_why = null
             where id = any($1) returning id, collector_id, attributes_at)
         insert into metrics.instance_changes (instance_id, at, change, collector_id)
         select b.id, b.attributes_at, 'returned', b.collector_id from back b";
    transaction.execute(sql, &[&ids]).await?;
    Ok(())
}

/// Notes for each instance which cluster answers, of each collector one batch.
pub(crate) async fn clusters(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let (mut ids, mut times, mut identifiers) = (Vec::new(), Vec::new(), Vec::new());
    for batch in batches {
        for (id, instance) in &batch.instances {
            if let Some((since, identifier)) = answers(batch, *id, instance) {
                ids.push(*id);
                times.push(since);
                identifiers.push(identifier);
            }
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    // Hardly ever is it another one.
    let statement = transaction
        .prepare_cached(
            "select n.nth from unnest($1::int4[], $2::timestamptz[], $3::text[]) with ordinality
                 as n (instance_id, since, identifier, nth)
             where n.identifier is distinct from (
                 select c.system_identifier from metrics.clusters c
                 where c.instance_id = n.instance_id and c.since <= n.since order by c.since desc limit 1)
             order by n.nth",
        )
        .await?;
    for row in transaction.query(&statement, &[&ids, &times, &identifiers]).await? {
        let nth = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0).saturating_sub(1);
        cluster(transaction, ids[nth], times[nth], &identifiers[nth]).await?;
    }
    Ok(())
}

/// The cluster that answers as an instance, and since when: from the first reading of the batch that says so, as all
/// that is read in a cycle is of one cluster.
fn answers(batch: &Prepared, id: i32, instance: &Instance) -> Option<(Option<Timestamp>, String)> {
    let identifier = clean(&instance.attributes.as_ref()?.system_identifier, MAX_MESSAGE);
    let readings = batch.latest.iter().filter(|latest| latest.instance_id == id && latest.error.is_none());
    let since = readings.map(|latest| latest.started_us.min(latest.time_us)).min().unwrap_or(batch.created_us);
    (!identifier.is_empty()).then(|| (moment(since), identifier))
}

/// Notes from when on another cluster answers under the instance's name. The first that is ever told of answered before,
/// too. Batches arrive in any order: an earlier one of the same cluster moves its beginning.
async fn cluster(
    transaction: &Transaction<'_>,
    id: i32,
    since: Option<Timestamp>,
    identifier: &str,
) -> Result<(), StoreError> {
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
    transaction.execute(&statement, &[&id, &since, &identifier]).await?;
    Ok(())
}

/// An instance's states come whole: what is not among them is forgotten, `since` of what did not change stays.
async fn states(transaction: &Transaction<'_>, batches: &[&Prepared]) -> Result<(), StoreError> {
    let told: BTreeMap<i32, (&Instance, Option<Timestamp>)> = batches
        .iter()
        .flat_map(|batch| batch.instances.iter().map(|(id, instance)| (*id, (instance, moment(batch.created_us)))))
        .filter(|(_, (instance, _))| !instance.states.is_empty())
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<i32> = told.keys().copied().collect();
    let created: Vec<Option<Timestamp>> = told.values().map(|(_, created)| *created).collect();
    let statement = transaction
        .prepare_cached(
            "update metrics.instances i set states_at = n.at
             from unnest($1::int4[], $2::timestamptz[]) as n (id, at)
             where i.id = n.id and n.at >= coalesce(i.states_at, '-infinity') returning i.id",
        )
        .await?;
    let rows = transaction.query(&statement, &[&ids, &created]).await?;
    let mut newest: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    newest.sort_unstable();
    let mut by_key: BTreeMap<StateKey, (Option<Timestamp>, [String; 4])> = BTreeMap::new();
    for id in &newest {
        let Some((instance, created)) = told.get(id) else { continue };
        for state in &instance.states {
            let key = (*id, clean(&state.set, catalog::MAX_NAME), clean(&state.column, catalog::MAX_NAME));
            let words = [
                state_word(state.state).to_owned(),
                code_word(state.code).to_owned(),
                reason(&state.message, MAX_MESSAGE),
                clean(&state.fix, MAX_MESSAGE),
            ];
            by_key.insert(key, (*created, words));
        }
    }
    let ids: Vec<i32> = by_key.keys().map(|(id, ..)| *id).collect();
    let sets: Vec<&str> = by_key.keys().map(|(_, set, _)| set.as_str()).collect();
    let columns: Vec<&str> = by_key.keys().map(|(.., column)| column.as_str()).collect();
    let checked: Vec<Option<Timestamp>> = by_key.values().map(|(created, _)| *created).collect();
    let nth = |at: usize| by_key.values().map(|(_, words)| words[at].as_str()).collect::<Vec<&str>>();
    let statement = transaction
        .prepare_cached(
            "delete from metrics.set_states s where s.instance_id = any($1::int4[]) and not exists (
                 select from unnest($2::int4[], $3::text[], $4::text[]) as n (instance_id, set_name, column_name)
                 where n.instance_id = s.instance_id and n.set_name = s.set_name and n.column_name = s.column_name)",
        )
        .await?;
    transaction.execute(&statement, &[&newest, &ids, &sets, &columns]).await?;
    let statement = transaction
        .prepare_cached(
            "insert into metrics.set_states as s
                 (instance_id, set_name, column_name, state, code, message, fix, since, checked_at)
             select n.instance_id, n.set_name, n.column_name, n.state, n.code, n.message, n.fix, n.at, n.at
             from unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[])
                 as n (instance_id, set_name, column_name, state, code, message, fix, at)
             on conflict (instance_id, set_name, column_name) do update set
                 since = case when s.state = excluded.state and s.code = excluded.code then s.since
                              else excluded.since end,
                 state = excluded.state, code = excluded.code, message = excluded.message, fix = excluded.fix,
                 checked_at = excluded.checked_at",
        )
        .await?;
    transaction.execute(&statement, &[&ids, &sets, &columns, &nth(0), &nth(1), &nth(2), &nth(3), &checked]).await?;
    Ok(())
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
        StateCode::Budget => "budget",
        StateCode::Approval => "approval",
    }
}
