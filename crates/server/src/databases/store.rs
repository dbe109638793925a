//! Sums and series of `pg_stat_database`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::counters::{COUNTERS, Counters};
use super::model::Throughput;
use crate::range::{Grid, Range};
use crate::series::{Source, rates};

/// The set that all figures come from.
pub(crate) const SET: &str = "pg_stat_database";

static SUMS: LazyLock<String> = LazyLock::new(|| {
    let sums = COUNTERS.iter().fold(String::new(), |mut list, counter| {
        let _ = write!(list, ", sum(d.{})::float8", counter.column);
        list
    });
    format!(
        "select d.datid, (
                 select b.numbackends from metrics.pg_stat_database b
                 where b.instance_id = $1 and b.time = $4 and b.datid = d.datid limit 1){sums}
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
}

/// Sums over the range, by database; with the backends of the reading at `at`.
pub(crate) async fn sums(
    transaction: &Transaction<'_>,
    id: i32,
    range: Range,
    at: Option<Timestamp>,
) -> Result<Vec<Sums>, Error> {
    let statement = transaction.prepare_cached(&SUMS).await?;
    let rows = transaction.query(&statement, &[&id, &range.start, &range.end, &at]).await?;
    let sums = rows.iter().map(|row| {
        let counters = Counters::of((0..COUNTERS.len()).map(|place| row.get(place + 2)));
        Sums { datid: row.get(0), numbackends: row.get(1), counters }
    });
    Ok(sums.collect())
}

/// An increment is spread over the steps that its interval covers; `$4` is where the steps begin, `$5` how long
/// each is in microseconds and `$6` how many there are.
const SERIES: &str = "select c.datid, c.step,
        sum(c.transactions * c.covered / c.length) * 1e6
            / nullif(sum(c.covered) filter (where c.transactions is not null), 0),
        sum(c.active_time * c.covered / c.length) / nullif(sum(c.covered) filter (where c.active_time is not null), 0)
    from (
        select d.datid, b.step, d.interval_us::float8 as length, d.active_time::float8 as active_time,
            d.xact_commit::float8 + d.xact_rollback::float8 as transactions,
            least(e.until, (b.step + 1) * $5::float8)
                - greatest(e.until - d.interval_us, b.step * $5::float8) as covered
        from metrics.pg_stat_database d
        cross join lateral (select (extract(epoch from d.time - $4::timestamptz) * 1e6)::float8 as until) e
        cross join lateral generate_series(
            greatest(floor((e.until - d.interval_us) / $5::float8), 0)::int8,
            least(ceil(e.until / $5::float8) - 1, $6::int8 - 1)::int8) as b (step)
        where d.instance_id = $1 and d.time > $2 and d.time <= $3 and d.interval_us > 0 and d.datid is not null) c
    where c.covered > 0
    group by c.datid, c.step";

/// Per step transactions per second and active sessions.
pub(crate) type Rates = (Vec<Option<f64>>, Vec<Option<f64>>);

/// Rates on the grid, by database.
pub(crate) async fn series(
    transaction: &Transaction<'_>,
    id: i32,
    range: Range,
    grid: Grid,
) -> Result<HashMap<i64, Rates>, Error> {
    let statement = transaction.prepare_cached(SERIES).await?;
    let step_us = grid.step_us();
    let rows =
        transaction.query(&statement, &[&id, &range.start, &range.end, &grid.start, &step_us, &grid.points]).await?;
    let empty = grid.empty();
    let mut all: HashMap<i64, Rates> = HashMap::new();
    for row in rows {
        let (tps, active) = all.entry(row.get(0)).or_insert_with(|| (empty.clone(), empty.clone()));
        let Ok(nth) = usize::try_from(row.get::<_, i64>(1)) else { continue };
        if let (Some(tps), Some(active)) = (tps.get_mut(nth), active.get_mut(nth)) {
            (*tps, *active) = (row.get(2), row.get(3));
        }
    }
    Ok(all)
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
    transaction: &Transaction<'_>,
    id: i32,
    range: Range,
    grid: Grid,
) -> Result<Throughput, Error> {
    let source = Source { from: TOGETHER, key: "''", values: &["commits", "rollbacks", "temp_bytes", "hit", "asked"] };
    let rates = rates(transaction, source, id, range, grid).await?.remove("");
    let [commits, rollbacks, temp_bytes, hit, asked] =
        rates.and_then(|rates| rates.try_into().ok()).unwrap_or_else(|| std::array::from_fn(|_| grid.empty()));
    let ratio = |(hit, asked): (&Option<f64>, &Option<f64>)| {
        let asked = asked.filter(|asked| *asked > 0.0)?;
        hit.map(|hit| hit / asked)
    };
    Ok(Throughput { commits, rollbacks, temp_bytes, hit_ratio: hit.iter().zip(&asked).map(ratio).collect() })
}
