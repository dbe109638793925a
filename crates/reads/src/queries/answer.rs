//! `GET /instances/{id}/queries`, `…/queries/{queryid}` and `…/timeline`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::figures::{COUNTERS, Figures, Shape, Sums};
use super::model::{RankedStatement, Ranking, RankingQuery, Statement, StatementQuery, Timeline};
use super::names::{Names, Texts, Watchers};
use super::ranking::{self, Filter};
use super::store::{self, Conditions, Key, Readings, Worked};
use crate::clusters::OfOneCluster;
use crate::covered::Covered;
use crate::error::{Detail, ReadError};
use crate::flags;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// Statements in a ranking unless asked otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MOST: usize = 1000;
/// The steps of a trend, about.
const TREND_POINTS: i64 = 60;
/// The steps of a timeline, about.
const TIMELINE_POINTS: i64 = 240;
/// The order unless asked otherwise.
const ORDER: &str = "total_exec_time_ms";

/// The statements of a range, the costliest first; with `others` they make everything.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, query: RankingQuery) -> Result<Ranking, ReadError> {
    let now = snapshot.now();
    let asked = Range::asked(query.start, query.end, now)?;
    let limit = query.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MOST).contains(&limit) {
        return Err(ReadError::invalid(vec![Detail::new("limit", format!("expected 1 to {LIMIT_MOST}"))]));
    }
    let order = query.order.as_deref().unwrap_or(ORDER);
    if Figures::order_value(order).is_none() {
        let names = Figures::order_names().join(", ");
        return Err(ReadError::invalid(vec![Detail::new("order", format!("expected one of {names}"))]));
    }
    let cluster = OfOneCluster::read(snapshot, id, asked).await?;
    let range = cluster.range;
    let mut conditions = store::conditions(snapshot, id).await?;
    let all = store::sums(snapshot, id, range, None).await?;
    let databases = Names::databases(snapshot, id, range.end).await?;
    let roles = Names::roles(snapshot, id, range.end).await?;
    let grid = Grid::coarse(asked, TREND_POINTS, store::usual(snapshot, id, range.end).await?);
    let readings = Readings::on(snapshot, id, range, grid).await?;
    let covered = Covered::read(snapshot, id, store::SET, range).await?;
    let cut = store::cut(snapshot, id, range).await?;
    let search = query.search.as_deref().filter(|search| !search.is_empty());
    let mut texts = Texts::default();
    if search.is_some() {
        let queryids: Vec<i64> = all.iter().map(|worked| worked.key.queryid).collect();
        texts = Texts::of(snapshot, id, range.end, &queryids, conditions.texts_readable).await?;
    }
    let filter =
        Filter { database: query.database.as_deref(), user: query.user.as_deref(), toplevel: query.toplevel, search };
    let seen: HashSet<(i64, i64)> = all.iter().map(|worked| (worked.key.dbid, worked.key.queryid)).collect();
    let only_cut: Vec<(i64, i64)> = cut.difference(&seen).copied().collect();
    let mut whole = ranking::sum(&all);
    conditions.judge(&whole, &readings);
    if whole.is_empty() && !readings.is_empty() {
        whole = Sums::idle(|name| !conditions.unmeasured.contains_key(name));
    }
    let totals = ranking::totals(&all, only_cut.len(), &whole);
    let total_us = conditions.shares_measurable.then(|| ranking::total_us(&all));
    let watchers = Watchers::of(snapshot, id, range.end, &all).await?;
    let matching = all.into_iter().filter(|worked| filter.matches(worked.key, &databases, &roles, &texts));
    let (monitoring, mut matching): (Vec<Worked>, Vec<Worked>) = matching.partition(|worked| watchers.run(worked.key));
    let of_monitoring = ranking::together(&monitoring, monitoring.len(), total_us);
    if query.monitoring.unwrap_or(true) {
        matching.extend(monitoring);
    }
    let offset = query.offset.unwrap_or(0);
    let page = offset..offset.saturating_add(limit);
    let only_cut = only_cut.iter().filter(|(dbid, _)| filter.database.is_none_or(|wanted| databases.is(*dbid, wanted)));
    let ranked = ranking::rank(matching, total_us, order, query.direction.unwrap_or_default(), page, only_cut.count());
    let keys: Vec<Key> = ranked.listed.iter().map(|(key, _)| *key).collect();
    if search.is_none() {
        let queryids: Vec<i64> = keys.iter().map(|key| key.queryid).collect();
        texts = Texts::of(snapshot, id, range.end, &queryids, conditions.texts_readable).await?;
    }
    let mut trends = if query.trend.unwrap_or(true) && !keys.is_empty() {
        store::trends(snapshot, id, range, grid, &readings, &keys).await?
    } else {
        HashMap::new()
    };
    let data: Vec<RankedStatement> = ranked
        .listed
        .into_iter()
        .map(|(key, figures)| {
            let trend = trends.remove(&key);
            let complete = !cut.contains(&(key.dbid, key.queryid));
            row(key, figures, complete, trend, &Labels { databases: &databases, roles: &roles, texts: &texts })
        })
        .collect();
    Ok(Ranking {
        count: data.len(),
        total: ranked.total,
        data,
        grid,
        covered_ms: readings.covered(),
        others: ranked.others,
        monitoring: of_monitoring,
        totals,
        flagged_intervals: flags::read(snapshot, id, store::SET, asked).await?,
        covered,
        gaps: readings.gaps.listed,
        unmeasured: conditions.unmeasured,
        track: conditions.track,
        shares_measurable: conditions.shares_measurable,
        generated_at: now,
    })
}

/// What turns keys into words.
struct Labels<'a> {
    databases: &'a Names,
    roles: &'a Names,
    texts: &'a Texts,
}

fn row(
    key: Key,
    figures: Figures,
    complete: bool,
    trend: Option<Vec<Option<f64>>>,
    labels: &Labels<'_>,
) -> RankedStatement {
    let (query, query_state) = labels.texts.get(key.dbid, key.queryid);
    RankedStatement {
        queryid: key.queryid.to_string(),
        query: query.map(str::to_owned),
        query_state,
        database: labels.databases.of(key.dbid),
        user: labels.roles.of(key.userid),
        toplevel: key.toplevel,
        complete,
        figures,
        trend,
    }
}

fn queryid_of(text: &str) -> Result<i64, ReadError> {
    text.parse().map_err(|_| ReadError::not_found("There is no such statement: a queryid is a signed 64-bit number."))
}

/// One statement over a range, summed and split by database, role and level.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(
    snapshot: &Snapshot,
    id: InstanceId,
    queryid: &str,
    query: StatementQuery,
) -> Result<Statement, ReadError> {
    let queryid = queryid_of(queryid)?;
    let now = snapshot.now();
    let asked = Range::asked(query.start, query.end, now)?;
    let cluster = OfOneCluster::read(snapshot, id, asked).await?;
    let range = cluster.range;
    let mut conditions = store::conditions(snapshot, id).await?;
    let mut total_us = None;
    if conditions.shares_measurable {
        total_us = Some(store::total_us(snapshot, id, range).await?);
    }
    let databases = Names::databases(snapshot, id, range.end).await?;
    let roles = Names::roles(snapshot, id, range.end).await?;
    let texts = Texts::of(snapshot, id, range.end, &[queryid], conditions.texts_readable).await?;
    let cut = store::cut(snapshot, id, range).await?;
    let filter = filter_of(&query);
    let worked = store::sums(snapshot, id, range, Some(queryid)).await?;
    let mut own: Vec<Worked> = worked
        .into_iter()
        .filter(|worked| worked.key.queryid == queryid && !worked.key.is_cut())
        .filter(|worked| filter.matches(worked.key, &databases, &roles, &texts))
        .collect();
    own.sort_by(|a, b| {
        let time = |worked: &Worked| worked.sums.of("total_exec_time_ms").unwrap_or(0.0);
        time(b).total_cmp(&time(a)).then_with(|| a.key.cmp(&b.key))
    });
    let mut earlier = Earlier::default();
    let before = cluster.before().unwrap_or_else(|why| {
        earlier.no_comparison = Some(why);
        None
    });
    if let Some(before) = before {
        let worked = store::sums(snapshot, id, before, Some(queryid)).await?;
        let worked = worked.iter().filter(|worked| filter.matches(worked.key, &databases, &roles, &texts));
        let covered = Covered::read(snapshot, id, store::SET, before).await?;
        earlier.no_comparison = covered.no_comparison(before);
        earlier.sums =
            done(ranking::sum(worked), covered.ms > 0.0, &conditions).filter(|_| earlier.no_comparison.is_none());
        earlier.covered = Some(covered);
    }
    let grid = Grid::over(range, 1, None);
    let readings = Readings::on(snapshot, id, range, grid).await?;
    let sums = ranking::sum(&own);
    conditions.judge(&sums, &readings);
    let labels = Labels { databases: &databases, roles: &roles, texts: &texts };
    let is_complete = |key: Key| !cut.contains(&(key.dbid, key.queryid));
    let split: Vec<RankedStatement> = own
        .iter()
        .map(|worked| {
            let figures = Figures::new(&worked.sums, total_us.filter(|_| worked.key.toplevel));
            row(worked.key, figures, is_complete(worked.key), None, &labels)
        })
        .collect();
    let toplevel_us: f64 =
        own.iter().filter(|worked| worked.key.toplevel).filter_map(|worked| worked.sums.of("total_exec_time_ms")).sum();
    let share_of_total = total_us.filter(|total| *total > 0.0).map(|total| toplevel_us / total);
    let sums = done(sums, !readings.is_empty(), &conditions).unwrap_or_default();
    let covered = Covered::read(snapshot, id, store::SET, range).await?;
    let change = earlier.change(&sums, &covered);
    let mut figures = Figures::new(&sums, None);
    figures.share_of_total = share_of_total;
    let is_cut =
        |(dbid, id): &(i64, i64)| *id == queryid && filter.database.is_none_or(|wanted| databases.is(*dbid, wanted));
    let was_cut = cut.iter().any(is_cut);
    let distinct = |of: &dyn Fn(&RankedStatement) -> &String| {
        let mut names: Vec<String> = split.iter().map(|row| of(row).clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let (query_text, query_state) = match split.iter().find(|row| row.query.is_some()).or_else(|| split.first()) {
        Some(row) => (row.query.clone(), row.query_state),
        None => match texts.any() {
            Some((text, state)) => (text.map(str::to_owned), state),
            None if was_cut => (None, texts.get(0, queryid).1),
            None => return Err(ReadError::not_found("No such statement was seen on this instance.")),
        },
    };
    Ok(Statement {
        queryid: queryid.to_string(),
        query: query_text,
        query_state,
        databases: distinct(&|row| &row.database),
        users: distinct(&|row| &row.user),
        complete: !was_cut,
        figures,
        previous: earlier.sums.map(|sums| Figures::new(&sums, None)),
        no_comparison: earlier.no_comparison,
        previous_covered: earlier.covered,
        change,
        split,
        flagged_intervals: flags::read(snapshot, id, store::SET, asked).await?,
        covered,
        gaps: readings.gaps.listed,
        unmeasured: conditions.unmeasured,
        share_of_total,
    })
}

/// The equal period before the range.
#[derive(Default)]
struct Earlier {
    sums: Option<Sums>,
    covered: Option<Covered>,
    no_comparison: Option<String>,
}

impl Earlier {
    /// By figure, how many times as much as then: of sums by their rates over the time that was read.
    fn change(&self, sums: &Sums, covered: &Covered) -> BTreeMap<String, f64> {
        let mut change = BTreeMap::new();
        let (Some(before), Some(covered_before)) = (&self.sums, &self.covered) else { return change };
        let mut times = |name: &str, now: Option<f64>, then: Option<f64>| {
            if let (Some(now), Some(then)) = (now, then.filter(|then| *then > 0.0)) {
                change.insert(name.to_owned(), now / then);
            }
        };
        for counter in COUNTERS {
            let now = sums.of(counter.name).and_then(|sum| covered.per_second(sum));
            let then = before.of(counter.name).and_then(|sum| covered_before.per_second(sum));
            times(counter.name, now, then);
        }
        for name in ["mean_exec_time_ms", "rows_per_call"] {
            let Some(value) = Figures::order_value(name) else { continue };
            let of = |sums: &Sums| value(&Figures::new(sums, None), sums, 0);
            times(name, of(sums), of(before));
        }
        change
    }
}

/// What was done, or zeros where nothing was while it was read; `None` where nothing was read.
fn done(sums: Sums, was_read: bool, conditions: &Conditions) -> Option<Sums> {
    if !sums.is_empty() {
        return Some(sums);
    }
    let is_measured = |name: &str| !conditions.unmeasured.contains_key(name);
    was_read.then(|| Sums::idle(is_measured))
}

/// One statement's figures per step of a range.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn timeline(
    snapshot: &Snapshot,
    id: InstanceId,
    queryid: &str,
    query: StatementQuery,
) -> Result<Timeline, ReadError> {
    let queryid = queryid_of(queryid)?;
    let now = snapshot.now();
    let asked = Range::asked(query.start, query.end, now)?;
    let cluster = OfOneCluster::read(snapshot, id, asked).await?;
    let range = cluster.range;
    let mut conditions = store::conditions(snapshot, id).await?;
    let grid = match query.step {
        Some(step) => Grid::asked(asked, step)?,
        None => Grid::over(asked, TIMELINE_POINTS, store::usual(snapshot, id, range.end).await?),
    };
    let readings = Readings::on(snapshot, id, range, grid).await?;
    let databases = Names::databases(snapshot, id, range.end).await?;
    let roles = Names::roles(snapshot, id, range.end).await?;
    let filter = filter_of(&query);
    let zeros = readings.zeros();
    let mut series: Vec<Vec<Option<f64>>> = vec![zeros; COUNTERS.len()];
    let mut measured = vec![false; COUNTERS.len()];
    let rows = store::by_reading(snapshot, id, range, grid, &[queryid]).await?;
    conditions.judge(&ranking::sum(rows.iter().map(|(_, _, worked)| worked)), &readings);
    for (end, interval_us, worked) in rows {
        if readings.gaps.hide(end, grid)
            || worked.key.is_cut()
            || !filter.matches(worked.key, &databases, &roles, &Texts::default())
        {
            continue;
        }
        for (step, share) in grid.shares(end, interval_us) {
            for (place, counter) in COUNTERS.iter().enumerate() {
                let Some(sum) = worked.sums.values().get(place).copied().flatten() else { continue };
                measured[place] = true;
                let scale = if counter.shape == Shape::Time { 1000.0 } else { 1.0 };
                if let Some(value) = series[place].get_mut(step) {
                    *value = Some(value.unwrap_or(0.0) + sum * share / scale);
                }
            }
        }
    }
    let mut named: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for ((counter, values), measured) in COUNTERS.iter().zip(series).zip(measured) {
        // A counter that is not measured here has no zeros either.
        if measured || !conditions.unmeasured.contains_key(counter.name) {
            named.insert(counter.name.to_owned(), values);
        }
    }
    if let (Some(time), Some(calls)) = (named.get(ORDER), named.get("calls")) {
        let mean = time.iter().zip(calls).map(|(time, calls)| Some((*time)? / (*calls).filter(|calls| *calls > 0.0)?));
        named.insert("mean_exec_time_ms".to_owned(), mean.collect());
    }
    Ok(Timeline {
        grid,
        covered_ms: readings.covered(),
        series: named,
        flagged_intervals: flags::read(snapshot, id, store::SET, asked).await?,
        covered: Covered::read(snapshot, id, store::SET, range).await?,
        gaps: readings.gaps.listed,
        unmeasured: conditions.unmeasured,
    })
}

fn filter_of(query: &StatementQuery) -> Filter<'_> {
    Filter { database: query.database.as_deref(), user: query.user.as_deref(), toplevel: query.toplevel, search: None }
}
