//! Series on a grid, from any set of figures: rates of counters and the largest gauge per step. Feature folders say what they want; the SQL stands here once.

use std::collections::HashMap;
use std::fmt::Write as _;

use tokio_postgres::{Error, Row};

use crate::gaps::Gaps;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// What series are made from. `$1` is the instance, `$2` and `$3` are the range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// A table, or a query in brackets with an alias; with `instance_id`, `time` and, for rates, `interval_us`.
    pub(crate) from: &'a str,
    /// What tells one series from another; `''` where there is one.
    pub(crate) key: &'a str,
    /// One value per series: a column or an expression over columns.
    pub(crate) values: &'a [&'a str],
}

/// Values by key, in the order of [`Source::values`].
pub(crate) type Series = HashMap<String, Vec<Vec<Option<f64>>>>;

/// One row per value, key and step that its interval covers: `key`, `step`, `length` of the interval and what is
/// `covered` of it in microseconds, and `v0`, `v1` and so on. `$4` is where the steps begin, `$5` how long each is in
/// microseconds and `$6` how many there are. Readings at the times `$7` are left out: their intervals cover gaps.
pub(crate) fn over_steps(source: Source<'_>) -> String {
    let (mut inner, mut names) = (String::new(), String::new());
    for (nth, value) in source.values.iter().enumerate() {
        let _ = write!(inner, ", ({value})::float8 as v{nth}");
        let _ = write!(names, ", d.v{nth}");
    }
    let Source { from, key, .. } = source;
    format!(
        "select d.key, d.length, b.step{names},
            least(e.until, (b.step + 1) * $5::float8)
                - greatest(e.until - d.length, b.step * $5::float8) as covered
        from (select coalesce(({key})::text, '') as key, time, interval_us::float8 as length{inner} from {from}
              where instance_id = $1 and time > $2 and time <= $3 and interval_us > 0 and time <> all($7)) d
        cross join lateral (select (extract(epoch from d.time - $4::timestamptz) * 1e6)::float8 as until) e
        cross join lateral generate_series(
            greatest(floor((e.until - d.length) / $5::float8), 0)::int8,
            least(ceil(e.until / $5::float8) - 1, $6::int8 - 1)::int8) as b (step)"
    )
}

/// Increments per second. An increment is spread over the steps that its interval covers; a step that none covers is
/// null, and one over a gap is in no step.
pub(crate) async fn rates(
    snapshot: &Snapshot,
    source: Source<'_>,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<Series, Error> {
    let mut rates = String::new();
    for nth in 0..source.values.len() {
        let _ = write!(
            rates,
            ", sum(c.v{nth} * c.covered / c.length) * 1e6
                / nullif(sum(c.covered) filter (where c.v{nth} is not null), 0)"
        );
    }
    let sql = format!(
        "select c.key, c.step{rates} from ({}) c where c.covered > 0 group by c.key, c.step",
        over_steps(source)
    );
    let (step_us, ends) = (grid.step_us(), gaps.ends());
    let rows =
        snapshot.query(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us, &grid.points, &ends]).await?;
    Ok(on_grid(&rows, source.values.len(), grid))
}

/// The largest value that was read within each step; a step without a reading is null.
pub(crate) async fn gauges(
    snapshot: &Snapshot,
    source: Source<'_>,
    id: InstanceId,
    range: Range,
    grid: Grid,
) -> Result<Series, Error> {
    let mut values = String::new();
    for value in source.values {
        let _ = write!(values, ", max(({value})::float8)");
    }
    let Source { from, key, .. } = source;
    let sql = format!(
        "select coalesce(({key})::text, ''),
            least(ceil(extract(epoch from time - $4::timestamptz) * 1e6 / $5::float8) - 1, $6::int8 - 1)::int8{values}
         from {from} where instance_id = $1 and time > $2 and time <= $3 group by 1, 2"
    );
    let step_us = grid.step_us();
    let rows = snapshot.query(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us, &grid.points]).await?;
    Ok(on_grid(&rows, source.values.len(), grid))
}

fn on_grid(rows: &[Row], values: usize, grid: Grid) -> Series {
    let mut all = Series::new();
    for row in rows {
        let series = all.entry(row.get(0)).or_insert_with(|| empty(values, grid));
        let Ok(step) = usize::try_from(row.get::<_, i64>(1)) else { continue };
        for (nth, series) in series.iter_mut().enumerate() {
            if let Some(place) = series.get_mut(step) {
                *place = row.get(nth + 2);
            }
        }
    }
    all
}

/// So many series without any value.
pub(crate) fn empty(values: usize, grid: Grid) -> Vec<Vec<Option<f64>>> {
    vec![grid.empty(); values]
}

/// A WAL position as PostgreSQL writes it.
pub(crate) fn lsn(bytes: i64) -> String {
    let bytes = bytes.cast_unsigned();
    format!("{:X}/{:X}", bytes >> 32, bytes & 0xffff_ffff)
}
