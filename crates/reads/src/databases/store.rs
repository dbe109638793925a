//! Sums and series of `pg_stat_database`.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use tokio_postgres::Error;

use super::counters::{COUNTERS, Counters};
use super::model::Throughput;
use crate::covered::per_second;
use crate::gaps::Gaps;
use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::series::{Buckets, Source, rates};

/// The set that all figures come from.
pub(crate) const SET: &str = "pg_stat_database";

/// A database's figures over the range.
pub(crate) struct Sums {
    pub(crate) datid: i64,
    pub(crate) numbackends: Option<i32>,
    pub(crate) counters: Counters,
    /// The same per second of the time in which each was measured.
    pub(crate) rates: Counters,
    /// Over how long, in microseconds.
    pub(crate) covered_us: f64,
}

/// Sums over the range, by database; with the backends of the reading at `at`.
pub(crate) async fn sums(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    at: Option<Timestamp>,
) -> Result<Vec<Sums>, Error> {
    let mut list = String::new();
    for counter in COUNTERS {
        let _ = write!(list, ", sum(d.{})::float8", counter.column);
    }
    for counter in COUNTERS {
        let _ = write!(list, ", sum(d.interval_us) filter (where d.{} is not null)::float8", counter.column);
    }
    let columns: Vec<&str> =
        ["interval_us", "datid"].into_iter().chain(COUNTERS.iter().map(|counter| counter.column)).collect();
    let Some(tiered) = snapshot.tiered(SET) else { return Ok(Vec::new()) };
    let parts = Parts::of(snapshot, id, tiered, range).await?;
    let sql = format!(
        "select d.datid, (
                 select b.numbackends from metrics.pg_stat_database b
                 where b.instance_id = $1 and b.time = $2 and b.datid = d.datid limit 1){list},
             coalesce(sum(d.interval_us), 0)::float8
         from ({}) d where d.datid is not null group by d.datid",
        parts.rows(&columns)
    );
    let rows = snapshot.query_once(&sql, &[&id, &at]).await?;
    let sums = rows.iter().map(|row| {
        let sum = |place: usize| row.get::<_, Option<f64>>(place + 2);
        let measured = |place: usize| row.get::<_, Option<f64>>(place + 2 + COUNTERS.len());
        let places = || 0..COUNTERS.len();
        let rate = |place: usize| per_second(sum(place)?, measured(place)?);
        Sums {
            datid: row.get(0),
            numbackends: row.get(1),
            counters: Counters::of(places().map(sum)),
            rates: Counters::of(places().map(rate)),
            covered_us: row.get(2 + 2 * COUNTERS.len()),
        }
    });
    Ok(sums.collect())
}

/// Transactions, and seconds of execution.
const RATED: [&str; 2] = ["xact_commit::float8 + xact_rollback::float8", "active_time / 1e6"];

const RATES: Source<'_> = Source {
    set: SET,
    over: None,
    key: "datid",
    values: &RATED,
    buckets: Some(Buckets {
        columns: &["interval_us", "datid", "xact_commit", "xact_rollback", "active_time"],
        over: None,
        values: &RATED,
        measured: &[],
    }),
};

/// Per step transactions per second and active sessions.
pub(crate) type Rates = (Vec<Option<f64>>, Vec<Option<f64>>);

/// Rates on the grid, by database.
pub(crate) async fn series(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<HashMap<i64, Rates>, Error> {
    let series = rates(snapshot, RATES, id, range, grid, gaps).await?;
    let named = series.into_iter().filter_map(|(datid, series)| {
        let [tps, active] = <[_; 2]>::try_from(series).ok()?;
        Some((datid.parse().ok()?, (tps, active)))
    });
    Ok(named.collect())
}

/// All databases of a reading are one row here: their intervals are one.
const TOGETHER: &str = "(
        select d.instance_id, d.time, max(d.interval_us) as interval_us, sum(d.xact_commit) as commits,
            sum(d.xact_rollback) as rollbacks, sum(d.blks_hit) as hit, sum(d.blks_hit + d.blks_read) as asked,
            sum(d.temp_bytes) as temp_bytes
        from {} d
        where d.instance_id = $1 and d.time > $2 and d.time <= $3
        group by d.instance_id, d.time) t";

/// What is summed of all databases.
const SUMMED: [&str; 5] = ["commits", "rollbacks", "temp_bytes", "hit", "asked"];

/// The same of buckets, each with the longest time for which it was measured of a database.
const BUCKETS_TOGETHER: &str = "(
        select d.instance_id, d.time, max(d.interval_us) as interval_us, sum(d.commits) as commits,
            sum(d.rollbacks) as rollbacks, sum(d.temp_bytes) as temp_bytes, sum(d.hit) as hit, sum(d.asked) as asked,
            max(d.commits_us) as commits_us, max(d.rollbacks_us) as rollbacks_us,
            max(d.temp_bytes_us) as temp_bytes_us, max(d.hit_us) as hit_us, max(d.asked_us) as asked_us
        from (
            select b.instance_id, b.time, b.datid, sum(b.interval_us) as interval_us, sum(b.xact_commit) as commits,
                sum(b.xact_rollback) as rollbacks, sum(b.temp_bytes) as temp_bytes, sum(b.blks_hit) as hit,
                sum(b.blks_hit + b.blks_read) as asked,
                sum(b.interval_us) filter (where b.xact_commit is not null) as commits_us,
                sum(b.interval_us) filter (where b.xact_rollback is not null) as rollbacks_us,
                sum(b.interval_us) filter (where b.temp_bytes is not null) as temp_bytes_us,
                sum(b.interval_us) filter (where b.blks_hit is not null) as hit_us,
                sum(b.interval_us) filter (where b.blks_hit + b.blks_read is not null) as asked_us
            from {} b group by b.instance_id, b.time, b.datid) d
        group by d.instance_id, d.time) t";

/// What all databases did together, on the grid.
pub(crate) async fn throughput(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<Throughput, Error> {
    let source = Source {
        set: SET,
        over: Some(TOGETHER),
        key: "''",
        values: &SUMMED,
        buckets: Some(Buckets {
            columns: &["interval_us", "datid", "xact_commit", "xact_rollback", "blks_hit", "blks_read", "temp_bytes"],
            over: Some(BUCKETS_TOGETHER),
            values: &SUMMED,
            measured: &["commits_us", "rollbacks_us", "temp_bytes_us", "hit_us", "asked_us"],
        }),
    };
    let rates = rates(snapshot, source, id, range, grid, gaps).await?.remove("");
    let [commits, rollbacks, temp_bytes, hit, asked] =
        rates.and_then(|rates| rates.try_into().ok()).unwrap_or_else(|| std::array::from_fn(|_| grid.empty()));
    let ratio = |(hit, asked): (&Option<f64>, &Option<f64>)| {
        let asked = asked.filter(|asked| *asked > 0.0)?;
        hit.map(|hit| hit / asked)
    };
    Ok(Throughput { commits, rollbacks, temp_bytes, hit_ratio: hit.iter().zip(&asked).map(ratio).collect() })
}
