//! Sums and series of `pg_stat_database`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Error;

use super::counters::{COUNTERS, Counters};
use super::model::Throughput;
use crate::covered::per_second;
use crate::gaps::Gaps;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::series::{Source, rates};

/// The set that all figures come from.
pub(crate) const SET: &str = "pg_stat_database";

static SUMS: LazyLock<String> = LazyLock::new(|| {
    let sums = COUNTERS.iter().fold(String::new(), |mut list, counter| {
        let _ = write!(list, ", sum(d.{})::float8", counter.column);
        list
    });
    let measured = COUNTERS.iter().fold(String::new(), |mut list, counter| {
        let _ = write!(list, ", sum(d.interval_us) filter (where d.{} is not null)::float8", counter.column);
        list
    });
    format!(
        "select d.datid, (
                 select b.numbackends from metrics.pg_stat_database b
                 where b.instance_id = $1 and b.time = $4 and b.datid = d.datid limit 1){sums}{measured},
             coalesce(sum(d.interval_us), 0)::float8
         from metrics.pg_stat_database d
         where d.instance_id = $1 and d.time > $2 and d.time <= $3 and d.datid is not null
         group by d.datid"
    )
});

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
    let rows = snapshot.query(&SUMS, &[&id, &range.start, &range.end, &at]).await?;
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

const RATES: Source<'_> = Source {
    from: "metrics.pg_stat_database",
    key: "datid",
    values: &["xact_commit::float8 + xact_rollback::float8", "active_time / 1e6"],
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
        from metrics.pg_stat_database d
        where d.instance_id = $1 and d.time > $2 and d.time <= $3
        group by d.instance_id, d.time) t";

/// What all databases did together, on the grid.
pub(crate) async fn throughput(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<Throughput, Error> {
    let source = Source { from: TOGETHER, key: "''", values: &["commits", "rollbacks", "temp_bytes", "hit", "asked"] };
    let rates = rates(snapshot, source, id, range, grid, gaps).await?.remove("");
    let [commits, rollbacks, temp_bytes, hit, asked] =
        rates.and_then(|rates| rates.try_into().ok()).unwrap_or_else(|| std::array::from_fn(|_| grid.empty()));
    let ratio = |(hit, asked): (&Option<f64>, &Option<f64>)| {
        let asked = asked.filter(|asked| *asked > 0.0)?;
        hit.map(|hit| hit / asked)
    };
    Ok(Throughput { commits, rollbacks, temp_bytes, hit_ratio: hit.iter().zip(&asked).map(ratio).collect() })
}
