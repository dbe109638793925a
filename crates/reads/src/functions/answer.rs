//! `GET /instances/{id}/functions`.

use std::collections::BTreeSet;

use super::model::{Function, FunctionTotals, Functions, FunctionsQuery};
use super::store::{self, SET};
use crate::clusters::OfOneCluster;
use crate::covered::{self, Covered, per_second};
use crate::error::ReadError;
use crate::flags;
use crate::instances::coverage::{note_missing, unreadable};
use crate::instances::store as instances;
use crate::parts;
use crate::pg_settings::store as pg_settings;
use crate::queries::model::{Direction, Unmeasured};
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::model::{self, no_such_order};
use crate::relations::{compare, plus};
use crate::spread::ratio;

/// A figure to order by.
type Figure = fn(&Function) -> Option<f64>;

const ORDERS: [(&str, Figure); 6] = [
    ("self_time_ms", |f| f.self_time_ms),
    ("total_time_ms", |f| f.total_time_ms),
    ("calls", |f| f.calls),
    ("calls_per_s", |f| f.calls_per_s),
    ("mean_time_ms", |f| f.mean_time_ms),
    ("mean_self_time_ms", |f| f.mean_self_time_ms),
];

/// The functions and procedures that were called in a range.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, query: FunctionsQuery) -> Result<Functions, ReadError> {
    let (asked, at) = model::when(query.start, query.end, None, snapshot.now())?;
    let limit = model::limit(query.limit)?;
    let wanted = query.order.as_deref().unwrap_or(ORDERS[0].0);
    let Some((_, order)) = ORDERS.iter().find(|(name, _)| *name == wanted) else {
        return Err(no_such_order(ORDERS.iter().map(|(name, _)| *name)));
    };
    // Of another cluster before it, the same oids were other functions.
    let range = OfOneCluster::read(snapshot, id, asked).await?.range;
    let summed = parts::summed(snapshot, SET, range).await?;
    let covered = covered::by_database(snapshot, id, SET, summed).await?;
    let sums = store::sums(snapshot, id, range).await?;
    let names = store::names(snapshot, id, at).await?;
    let databases = Names::databases(snapshot, id, at).await?;
    let all_self = sums.iter().fold(None, |all, (_, [_, _, own])| plus(all, *own));
    let ms = |us: Option<f64>| us.map(|us| us / 1000.0);
    let mut all: Vec<Function> = sums
        .into_iter()
        .map(|(key, [calls, total, own])| {
            let named = names.get(&key).cloned().unwrap_or_default();
            Function {
                database: databases.of(key.0),
                datid: key.0,
                funcid: key.1,
                schema: named.schema,
                name: named.name,
                arguments: named.arguments,
                kind: named.kind,
                language: named.language,
                calls,
                calls_per_s: calls.zip(covered.get(&key.0).copied()).and_then(|(sum, us)| per_second(sum, us)),
                total_time_ms: ms(total),
                self_time_ms: ms(own),
                mean_time_ms: ratio(ms(total), calls),
                mean_self_time_ms: ratio(ms(own), calls),
                share: ratio(own, all_self),
            }
        })
        .collect();
    let schemas: BTreeSet<String> = all.iter().filter_map(|function| function.schema.clone()).collect();
    all.retain(|function| {
        query.database.as_deref().is_none_or(|wanted| databases.is(function.datid, wanted)) && matches(function, &query)
    });
    let ascending = query.direction.unwrap_or_default() == Direction::Asc;
    all.sort_by(|one, other| {
        let names =
            |f: &Function| (f.database.clone(), f.schema.clone(), f.name.clone(), f.arguments.clone(), f.funcid);
        compare(order(one), order(other), ascending).then_with(|| names(one).cmp(&names(other)))
    });
    let mut totals = FunctionTotals { functions: all.len(), ..FunctionTotals::default() };
    for function in &all {
        totals.calls = plus(totals.calls, function.calls);
        totals.self_time_ms = plus(totals.self_time_ms, function.self_time_ms);
    }
    let total = all.len();
    let data: Vec<Function> = all.into_iter().skip(query.offset.unwrap_or(0)).take(limit).collect();
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (field, column) in
        [("data", "calls"), ("calls", "calls"), ("total_time_ms", "total_time"), ("self_time_ms", "self_time")]
    {
        note_missing(&mut unmeasured, field, &states, SET, column);
    }
    let mut read: Vec<String> = covered.keys().map(|datid| databases.of(*datid)).collect();
    read.sort();
    Ok(Functions {
        count: data.len(),
        data,
        total,
        totals,
        databases: read,
        schemas: schemas.into_iter().collect(),
        track: pg_settings::values(snapshot, id, at).await?.remove("track_functions"),
        unmeasured,
        not_readable: unreadable(&states, &[SET, "pg_proc"]),
        flagged_intervals: flags::read(snapshot, id, SET, asked).await?,
        covered: Covered::most(&covered, summed).asked_for(snapshot, id, SET, range).await?,
    })
}

fn matches(function: &Function, query: &FunctionsQuery) -> bool {
    let search = query.search.as_deref().map(str::to_lowercase).unwrap_or_default();
    let of = |part: &Option<String>| part.as_deref().unwrap_or_default().to_lowercase();
    query.schema.as_ref().is_none_or(|schema| function.schema.as_ref() == Some(schema))
        && format!("{}.{}", of(&function.schema), of(&function.name)).contains(&search)
}
