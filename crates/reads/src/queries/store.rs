//! Reads statements' work from schema `metrics`.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use store::tiers::Tiered;
use tokio_postgres::Row;

use super::figures::{COUNTERS, Sums};
use super::model::{Reason, Unmeasured};
use crate::gaps::Gaps;
use crate::instances::coverage::with_place;
use crate::instances::store as instances;
use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// The set of the figures.
pub(super) const SET: &str = "pg_stat_statements";
/// The set of the texts.
const TEXT_SET: &str = "pg_stat_statements_text";

/// What a row of the store is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) userid: i64,
    pub(crate) dbid: i64,
    pub(crate) queryid: i64,
    pub(crate) toplevel: bool,
}

impl Key {
    /// Whether this is the sum of what the collector's row limit cut.
    pub(crate) const fn is_cut(self) -> bool {
        self.userid == 0 && self.queryid == 0
    }
}

/// A statement's work in a range.
#[derive(Clone, Debug)]
pub(crate) struct Worked {
    pub(crate) key: Key,
    pub(crate) sums: Sums,
}

/// The work of all statements in a range, or of one.
pub(crate) async fn sums(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
    queryid: Option<i64>,
) -> Result<Vec<Worked>, tokio_postgres::Error> {
    let parts = Parts::of(snapshot, instance, tiered(snapshot), range).await?;
    let sql = format!(
        "select {KEY}, {} from ({}) s group by 1, 2, 3, 4",
        Sums::select("s"),
        parts.only(&columns(), &of_statement(queryid))
    );
    let rows = snapshot.query_grouped(&sql, instance).await?;
    let mut all: BTreeMap<Key, Sums> = BTreeMap::new();
    for row in &rows {
        all.entry(key(row, 0)?).or_default().add(&Sums::read(row, 4)?);
    }
    Ok(all.into_iter().map(|(key, sums)| Worked { key, sums }).collect())
}

/// The execution time of all statements that clients sent, in microseconds.
pub(crate) async fn total_us(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
) -> Result<f64, tokio_postgres::Error> {
    let parts = Parts::of(snapshot, instance, tiered(snapshot), range).await?;
    let rows = parts.only(&["total_exec_time"], " and coalesce(r.toplevel, true)");
    let sql = format!("select coalesce(sum(s.total_exec_time::float8), 0) from ({rows}) s");
    Ok(snapshot.query_one_of(&sql, instance).await?.get(0))
}

/// The columns of a key, as they are: groups of expressions would be worked out for every row.
const KEY: &str = "s.userid, s.dbid, s.queryid, s.toplevel";

/// What [`KEY`] selected, from a column on; rows that differ in what is not known alone are of one key.
fn key(row: &Row, from: usize) -> Result<Key, tokio_postgres::Error> {
    let [userid, dbid, queryid]: [Option<i64>; 3] =
        [row.try_get(from)?, row.try_get(from + 1)?, row.try_get(from + 2)?];
    Ok(Key {
        userid: userid.filter(|_| queryid.is_some()).unwrap_or(0),
        dbid: dbid.unwrap_or(0),
        queryid: queryid.unwrap_or(0),
        toplevel: row.try_get::<_, Option<bool>>(from + 3)?.unwrap_or(true),
    })
}

/// The columns that keys and sums are made from.
fn columns() -> Vec<&'static str> {
    ["userid", "dbid", "queryid", "toplevel"].into_iter().chain(Sums::columns()).collect()
}

fn of_statement(queryid: Option<i64>) -> String {
    queryid.map_or_else(String::new, |queryid| format!(" and r.queryid = {queryid}"))
}

fn tiered(snapshot: &Snapshot) -> Tiered {
    snapshot.tiered(SET).expect("the catalogue has the set, and it has figures")
}

/// A reading, or what a bucket has of some.
#[derive(Clone, Copy, Debug)]
struct Reading {
    end: Timestamp,
    /// How much of the time before its end it covers.
    covered_us: i64,
}

/// When statements were read in a range.
#[derive(Clone, Debug)]
pub(crate) struct Readings {
    grid: Grid,
    readings: Vec<Reading>,
    /// Where nothing was read.
    pub(crate) gaps: Gaps,
}

impl Readings {
    /// On a grid.
    pub(crate) async fn on(
        snapshot: &Snapshot,
        instance: InstanceId,
        range: Range,
        grid: Grid,
    ) -> Result<Self, tokio_postgres::Error> {
        let gaps = Gaps::read(snapshot, snapshot.catalog(), instance, SET, range, snapshot.now()).await?;
        let parts = Parts::on(snapshot, instance, Tiered::readings(SET), range, grid).await?;
        let sql = format!(
            "select time, max(covered_us) from ({}) r where covered_us > 0 or readings > 0 and rows > 0
             group by time order by time",
            parts.rows(&["readings", "rows", "covered_us"])
        );
        let rows = snapshot.query_of(&sql, instance).await?;
        let readings = rows.iter().map(|row| Reading { end: row.get(0), covered_us: row.get(1) }).collect();
        Ok(Self { grid, readings, gaps })
    }

    /// Whether nothing was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    /// The readings that series are drawn from, each with the steps that it belongs to and its share of each: of one
    /// over a gap nobody knows the course.
    fn drawn(&self) -> impl Iterator<Item = (Reading, usize, f64)> {
        let drawn = self.readings.iter().filter(|one| !self.gaps.hide(one.end, self.grid));
        drawn.flat_map(|one| self.grid.shares(one.end, one.covered_us).map(|(step, share)| (*one, step, share)))
    }

    /// A series that is zero wherever something was read and null elsewhere.
    pub(crate) fn zeros(&self) -> Vec<Option<f64>> {
        let mut series = self.grid.empty();
        for (_, step, _) in self.drawn() {
            if let Some(value) = series.get_mut(step) {
                *value = Some(0.0);
            }
        }
        series
    }

    /// How much of each step the readings cover, in milliseconds; null where nothing was read. A step at an end of
    /// what was read, or beside a gap, is covered in part, and its sums are of that part.
    pub(crate) fn covered(&self) -> Vec<Option<f64>> {
        let mut covered = self.grid.empty();
        for (one, step, share) in self.drawn() {
            if let Some(value) = covered.get_mut(step) {
                *value = Some(value.unwrap_or(0.0) + share * one.covered_us as f64 / 1000.0);
            }
        }
        covered
    }
}

/// The usual time between two readings of statements up to a moment.
pub(crate) async fn usual(
    snapshot: &Snapshot,
    instance: InstanceId,
    until: Timestamp,
) -> Result<Option<SignedDuration>, tokio_postgres::Error> {
    let latest = instances::latest_at(snapshot, &[instance], until).await?.remove(&instance);
    let interval_us = latest.and_then(|sets| sets.get(SET)?.interval_us);
    Ok(interval_us.map(SignedDuration::from_micros))
}

/// Statements' sums per reading, or per bucket where the grid is made of those.
pub(crate) async fn by_reading(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
    grid: Grid,
    queryids: &[i64],
) -> Result<Vec<(Timestamp, i64, Worked)>, tokio_postgres::Error> {
    let parts = Parts::on(snapshot, instance, tiered(snapshot), range, grid).await?;
    let ids: Vec<String> = queryids.iter().map(ToString::to_string).collect();
    let columns: Vec<&str> = std::iter::once("interval_us").chain(columns()).collect();
    let sql = format!(
        "select s.time, max(s.interval_us), {KEY}, {} from ({}) s group by s.time, 3, 4, 5, 6 order by s.time",
        Sums::select("s"),
        parts.only(&columns, &format!(" and r.queryid in ({})", ids.join(", ")))
    );
    let rows = snapshot.query_of(&sql, instance).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, Worked { key: key(row, 2)?, sums: Sums::read(row, 6)? })))
        .collect()
}

/// The execution time per step of some statements, in milliseconds.
pub(crate) async fn trends(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
    grid: Grid,
    readings: &Readings,
    keys: &[Key],
) -> Result<HashMap<Key, Vec<Option<f64>>>, tokio_postgres::Error> {
    let mut queryids: Vec<String> = keys.iter().map(|key| key.queryid.to_string()).collect();
    queryids.sort_unstable();
    queryids.dedup();
    let parts = Parts::on(snapshot, instance, tiered(snapshot), range, grid).await?;
    let wanted = ["interval_us", "userid", "dbid", "queryid", "toplevel", "total_exec_time"];
    let rows = parts.only(&wanted, &format!(" and r.queryid in ({})", queryids.join(", ")));
    // All rows of a reading share its interval, so that its steps need not be worked out for each of them.
    let sql = format!(
        "select s.time, max(s.interval_us), {KEY}, sum(s.total_exec_time::float8) / 1000 from ({rows}) s
         group by s.time, 3, 4, 5, 6 order by s.time"
    );
    let zeros = readings.zeros();
    let mut trends: HashMap<Key, Vec<Option<f64>>> = keys.iter().map(|key| (*key, zeros.clone())).collect();
    for row in snapshot.query_of(&sql, instance).await? {
        let (end, interval_us, time): (Timestamp, i64, Option<f64>) = (row.get(0), row.get(1), row.get(6));
        let (Some(trend), Some(time)) = (trends.get_mut(&key(&row, 2)?), time) else { continue };
        if readings.gaps.hide(end, grid) {
            continue;
        }
        for (step, share) in grid.shares(end, interval_us) {
            if let Some(value) = trend.get_mut(step) {
                *value = Some(value.unwrap_or(0.0) + time * share);
            }
        }
    }
    Ok(trends)
}

/// The (database, queryid) of statements that were counted in "others" at some time of the range.
pub(crate) async fn cut(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
) -> Result<HashSet<(i64, i64)>, tokio_postgres::Error> {
    let parts = Parts::of(snapshot, instance, Tiered::cuts(SET), range).await?;
    let sql = format!(
        "select distinct c.per, i.id from ({}) c cross join lateral unnest(c.ids) as i (id)",
        parts.rows(&["per", "ids"])
    );
    let rows = snapshot.query_of(&sql, instance).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What an instance is like for these figures.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// `pg_stat_statements.track`.
    pub(crate) track: Option<String>,
    /// Whether nested statements can be told from those that clients sent, or there are none.
    pub(crate) shares_measurable: bool,
    /// Figures that are not measured.
    pub(crate) unmeasured: Unmeasured,
    /// Whether texts can be read.
    pub(crate) texts_readable: bool,
}

/// The conditions as of the last reading.
pub(crate) async fn conditions(snapshot: &Snapshot, instance: InstanceId) -> Result<Conditions, tokio_postgres::Error> {
    let sql = "select track, statements_version, role from metrics.instances where id = $1";
    let row = snapshot.query_one(sql, &[&instance]).await?;
    let (track, version, role): (Option<String>, Option<String>, Option<String>) = (row.get(0), row.get(1), row.get(2));
    let sql = "select set_name, column_name, code, message, nullif(fix, '') from metrics.set_states
             where instance_id = $1 and set_name in ($2, $3) and state in ('missing', 'error')";
    let mut conditions = Conditions { texts_readable: true, ..Conditions::default() };
    for row in snapshot.query(sql, &[&instance, &SET, &TEXT_SET]).await? {
        let (set, column): (String, String) = (row.get(0), row.get(1));
        let fix: Option<String> = row.get(4);
        let message = with_place(row.get(3), fix.as_deref(), role.as_deref());
        let reason = Reason { code: row.get(2), message, fix };
        if set == TEXT_SET {
            conditions.texts_readable &= reason.code != "privilege";
            if column.is_empty() || column == "query" {
                conditions.unmeasured.insert("query".to_owned(), reason);
            }
        } else if column.is_empty() {
            for counter in COUNTERS {
                conditions.unmeasured.entry(counter.name.to_owned()).or_insert_with(|| reason.clone());
            }
        } else {
            let name = COUNTERS.iter().find(|counter| counter.column == column).map(|counter| counter.name);
            let name = name.or(match column.as_str() {
                "exec_time_sumsq" => Some("stddev_exec_time_ms"),
                "minmax_stats_since" => Some("since"),
                _ => None,
            });
            conditions.unmeasured.extend(name.map(|name| (name.to_owned(), reason)));
        }
    }
    let tells_levels = version
        .as_deref()
        .and_then(|version| version.parse::<catalog::Version>().ok())
        .is_none_or(|version| (version.major, version.minor) >= (1, 9));
    conditions.shares_measurable = tells_levels || track.as_deref() != Some("all");
    conditions.track = track;
    Ok(conditions)
}

impl Conditions {
    /// Keeps the reasons of what is null, and adds one where none is known. `all` is what was read of the range.
    pub(crate) fn judge(&mut self, all: &Sums, readings: &Readings) {
        for counter in COUNTERS {
            if all.of(counter.name).is_some() {
                // It was measured within the range, whatever holds now.
                self.unmeasured.remove(counter.name);
                continue;
            }
            let message = if readings.is_empty() {
                "No reading in this range."
            } else if all.of("calls").is_some() {
                "No reading in this range measured it."
            } else {
                continue;
            };
            let few = || Reason { code: "not_enough_data".to_owned(), message: message.to_owned(), fix: None };
            self.unmeasured.entry(counter.name.to_owned()).or_insert_with(few);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn readings(step: i64, readings: &[(i64, i64)]) -> Readings {
        let grid = Grid::asked(Range { start: at(0), end: at(step * 4) }, step).unwrap();
        let reading = |(end, seconds): &(i64, i64)| Reading { end: at(*end), covered_us: seconds * 1_000_000 };
        Readings { grid, readings: readings.iter().map(reading).collect(), gaps: Gaps::default() }
    }

    #[test]
    fn a_step_is_covered_as_far_as_it_was_read() {
        let fine = readings(60, &[(90, 50), (130, 40)]);
        assert_eq!(fine.covered(), [Some(20_000.0), Some(60_000.0), Some(10_000.0), None]);
        let buckets = readings(300, &[(300, 240), (330, 60), (900, 300)]);
        assert_eq!(buckets.covered(), [Some(240_000.0), Some(60_000.0), Some(300_000.0), None]);
    }
}
