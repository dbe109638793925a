//! Reads statements' work from schema `metrics`.

use std::collections::{HashMap, HashSet};

use catalog::Catalog;
use jiff::{SignedDuration, Timestamp};

use super::figures::{COUNTERS, Sums};
use super::model::{Reason, Unmeasured};
use crate::covered::Covered;
use crate::gaps::Gaps;
use crate::instances::coverage::with_place;
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

/// The work of all statements in a range.
pub(crate) async fn sums(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
    queryid: Option<i64>,
) -> Result<Vec<Worked>, tokio_postgres::Error> {
    let sql = format!(
        "select case when s.queryid is null then 0 else coalesce(s.userid, 0) end, coalesce(s.dbid, 0),
             coalesce(s.queryid, 0), coalesce(s.toplevel, true), {}
         from metrics.pg_stat_statements s
         where s.instance_id = $1 and s.time > $2 and s.time <= $3 and ($4::int8 is null or s.queryid = $4)
         group by 1, 2, 3, 4",
        Sums::select("s")
    );
    let rows = snapshot.query(&sql, &[&instance, &range.start, &range.end, &queryid]).await?;
    rows.iter()
        .map(|row| {
            let key = Key {
                userid: row.try_get(0)?,
                dbid: row.try_get(1)?,
                queryid: row.try_get(2)?,
                toplevel: row.try_get(3)?,
            };
            Ok(Worked { key, sums: Sums::read(row, 4)? })
        })
        .collect()
}

/// When statements were read in a range.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    /// End and length in microseconds of each reading's interval.
    pub(crate) intervals: Vec<(Timestamp, i64)>,
    /// Where nothing was read.
    pub(crate) gaps: Gaps,
}

impl Readings {
    pub(crate) async fn of(
        snapshot: &Snapshot,
        catalog: &Catalog,
        instance: InstanceId,
        range: Range,
        now: Timestamp,
    ) -> Result<Self, tokio_postgres::Error> {
        let gaps = Gaps::read(snapshot, catalog, instance, SET, range, now).await?;
        let sql = "select time, max(coalesce(interval_us, 0)) from metrics.readings
                 where instance_id = $1 and set_name = $2 and time > $3 and time <= $4
                   and error is null and (interval_us is not null or rows > 0)
                 group by time order by time";
        let rows = snapshot.query(sql, &[&instance, &SET, &range.start, &range.end]).await?;
        Ok(Self { intervals: rows.iter().map(|row| (row.get(0), row.get(1))).collect(), gaps })
    }

    /// The intervals that series are drawn from: of one over a gap nobody knows the course.
    pub(crate) fn drawn(&self) -> impl Iterator<Item = (Timestamp, i64)> {
        self.intervals.iter().copied().filter(|(end, _)| !self.gaps.ends_at(*end))
    }

    /// How much of the range they cover.
    pub(crate) fn covered_of(&self, range: Range) -> Covered {
        Covered::new(self.intervals.iter().map(|(_, length)| *length as f64).sum(), range)
    }

    /// The usual interval: the median.
    pub(crate) fn usual(&self) -> Option<SignedDuration> {
        let mut lengths: Vec<i64> = self.intervals.iter().map(|(_, length)| *length).filter(|us| *us > 0).collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).map(|length| SignedDuration::from_micros(*length))
    }

    /// A series that is zero wherever something was read and null elsewhere.
    pub(crate) fn zeros(&self, grid: Grid) -> Vec<Option<f64>> {
        let mut series = grid.empty();
        for (end, length) in self.drawn() {
            for (step, _) in grid.shares(end, length) {
                if let Some(value) = series.get_mut(step) {
                    *value = Some(0.0);
                }
            }
        }
        series
    }

    /// How much of each step the readings cover, in milliseconds; null where nothing was read. A step at an end of
    /// what was read, or beside a gap, is covered in part, and its sums are of that part.
    pub(crate) fn covered(&self, grid: Grid) -> Vec<Option<f64>> {
        let mut covered = grid.empty();
        for (end, length) in self.drawn() {
            let length_ms = length as f64 / 1000.0;
            for (step, share) in grid.shares(end, length) {
                if let Some(value) = covered.get_mut(step) {
                    *value = Some(value.unwrap_or(0.0) + share * length_ms);
                }
            }
        }
        covered
    }
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
    let mut queryids: Vec<i64> = keys.iter().map(|key| key.queryid).collect();
    queryids.sort_unstable();
    queryids.dedup();
    // All rows of a reading share its interval, so that its steps need not be worked out for each of them.
    let (mut times, mut steps, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for (end, length) in readings.drawn() {
        for (step, share) in grid.shares(end, length) {
            times.push(end);
            steps.push(i32::try_from(step).unwrap_or(i32::MAX));
            shares.push(share);
        }
    }
    let sql = "select s.userid, s.dbid, s.queryid, coalesce(s.toplevel, true), w.step,
                    sum(s.total_exec_time * w.share) / 1000
             from metrics.pg_stat_statements s
             join unnest($4::timestamptz[], $5::int4[], $6::float8[]) as w (time, step, share) on w.time = s.time
             where s.instance_id = $1 and s.time > $2 and s.time <= $3 and s.queryid = any ($7)
               and s.userid is not null and s.dbid is not null
             group by 1, 2, 3, 4, 5";
    // The planner knows nothing of partitions made today and would compare every row with every step.
    snapshot.set("set local enable_nestloop = off").await?;
    let rows = snapshot.query(sql, &[&instance, &range.start, &range.end, &times, &steps, &shares, &queryids]).await?;
    snapshot.set("set local enable_nestloop = on").await?;
    let zeros = readings.zeros(grid);
    let mut trends: HashMap<Key, Vec<Option<f64>>> = keys.iter().map(|key| (*key, zeros.clone())).collect();
    for row in &rows {
        let key = Key { userid: row.get(0), dbid: row.get(1), queryid: row.get(2), toplevel: row.get(3) };
        let (step, time): (i32, Option<f64>) = (row.get(4), row.get(5));
        let value = trends.get_mut(&key).and_then(|trend| trend.get_mut(usize::try_from(step).ok()?));
        if let (Some(value), Some(time)) = (value, time) {
            *value = Some(value.unwrap_or(0.0) + time);
        }
    }
    Ok(trends)
}

/// One statement's sums per reading.
pub(crate) async fn by_reading(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
    queryid: i64,
) -> Result<Vec<(Timestamp, i64, Worked)>, tokio_postgres::Error> {
    let counters: Vec<String> = COUNTERS.iter().map(|counter| format!("sum(s.{})::float8", counter.column)).collect();
    let sql = format!(
        "select s.time, coalesce(s.interval_us, 0), coalesce(s.userid, 0), coalesce(s.dbid, 0), s.queryid,
                coalesce(s.toplevel, true), {},
                sum(s.exec_time_sumsq), null::int8, null::int8, null::int8
         from metrics.pg_stat_statements s
         where s.instance_id = $1 and s.time > $2 and s.time <= $3 and s.queryid = $4
         group by 1, 2, 3, 4, 5, 6",
        counters.join(", ")
    );
    let rows = snapshot.query(&sql, &[&instance, &range.start, &range.end, &queryid]).await?;
    rows.iter()
        .map(|row| {
            let key = Key {
                userid: row.try_get(2)?,
                dbid: row.try_get(3)?,
                queryid: row.try_get(4)?,
                toplevel: row.try_get(5)?,
            };
            Ok((row.try_get(0)?, row.try_get(1)?, Worked { key, sums: Sums::read(row, 6)? }))
        })
        .collect()
}

/// The (database, queryid) of statements that were counted in "others" at some time of the range.
pub(crate) async fn cut(
    snapshot: &Snapshot,
    instance: InstanceId,
    range: Range,
) -> Result<HashSet<(i64, i64)>, tokio_postgres::Error> {
    let sql = "select distinct c.per, i.id from metrics.cuts c cross join lateral unnest(c.ids) as i (id)
             where c.instance_id = $1 and c.set_name = $2 and c.time > $3 and c.time <= $4";
    let rows = snapshot.query(sql, &[&instance, &SET, &range.start, &range.end]).await?;
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
            let message = if readings.intervals.is_empty() {
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

    #[test]
    fn a_step_is_covered_as_far_as_it_was_read() {
        let grid = Grid::asked(Range { start: at(0), end: at(240) }, 60).unwrap();
        let readings = Readings { intervals: vec![(at(90), 50_000_000), (at(130), 40_000_000)], gaps: Gaps::default() };
        assert_eq!(readings.covered(grid), [Some(20_000.0), Some(60_000.0), Some(10_000.0), None]);
    }
}
