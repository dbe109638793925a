//! Series on a grid, from any set of figures: rates of counters and the largest gauge per step. Feature folders say
//! what they want; the SQL stands here once.

use std::collections::HashMap;
use std::fmt::Write as _;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use crate::gaps::Gaps;
use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};

/// What series are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The set.
    pub(crate) set: &'a str,
    /// A query in brackets with an alias over the rows `{}`, with `instance_id`, `time` and, for rates, `interval_us`;
    /// where there is none, the rows themselves. `$1` is the instance, `$2` and `$3` are the range.
    pub(crate) over: Option<&'a str>,
    /// What tells one series from another; `''` where there is one.
    pub(crate) key: &'a str,
    /// One value per series: a column or an expression over columns.
    pub(crate) values: &'a [&'a str],
    /// How the same comes from buckets; none where only the rows as they were read tell it.
    pub(crate) buckets: Option<Buckets<'a>>,
}

/// How series come from buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets<'a> {
    /// The columns that are needed, as tiers have them.
    pub(crate) columns: &'a [&'a str],
    /// As in [`Source`].
    pub(crate) over: Option<&'a str>,
    /// As in [`Source`].
    pub(crate) values: &'a [&'a str],
    /// For how long each value was measured, in microseconds; where there is none, for `interval_us` where it is not
    /// null.
    pub(crate) measured: &'a [&'a str],
}

/// Rows that are given to a query, or to its alias.
fn from(over: Option<&str>, rows: &str) -> String {
    over.map_or_else(|| format!("{rows} r"), |over| over.replace("{}", rows))
}

impl Source<'_> {
    fn raw(&self) -> String {
        from(self.over, &format!("metrics.\"{}\"", self.set))
    }

    /// The rows of buckets, where the grid is made of those.
    async fn bucketed(
        &self,
        snapshot: &Snapshot,
        id: InstanceId,
        range: Range,
        grid: Grid,
    ) -> Result<Option<(String, Buckets<'_>)>, Error> {
        let Some(buckets) = self.buckets.filter(|_| grid.has_buckets()) else { return Ok(None) };
        let Some(tiered) = snapshot.tiered(self.set) else { return Ok(None) };
        let parts = Parts::on(snapshot, id, tiered, range, grid).await?;
        Ok(Some((from(buckets.over, &format!("({})", parts.rows(buckets.columns))), buckets)))
    }
}

/// Values by key, in the order of [`Source::values`].
pub(crate) type Series = HashMap<String, Vec<Vec<Option<f64>>>>;

/// The step of a row's `time` on a grid that begins at `$4` with steps of `$5` microseconds.
const STEP: &str = "(ceil((extract(epoch from time - $4::timestamptz) * 1e6)::float8 / $5::float8) - 1)::int8";

/// One row per value, key and step that its interval covers: `key`, `step`, `length` of the interval and what is
/// `covered` of it in microseconds, and `v0`, `v1` and so on. `$4` is where the steps begin, `$5` how long each is in
/// microseconds and `$6` how many there are. Readings at the times `$7` are left out: their intervals cover gaps.
fn over_steps(from: &str, key: &str, values: &[&str]) -> String {
    let (mut inner, mut names) = (String::new(), String::new());
    for (nth, value) in values.iter().enumerate() {
        let _ = write!(inner, ", ({value})::float8 as v{nth}");
        let _ = write!(names, ", d.v{nth}");
    }
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

/// The same of rows that are of one step whole, with `m0` and so on: for how long each value was measured.
fn in_steps(from: &str, key: &str, buckets: Buckets<'_>) -> String {
    let mut list = String::new();
    for (nth, value) in buckets.values.iter().enumerate() {
        let _ = write!(list, ", ({value})::float8 as v{nth}");
        let _ = match buckets.measured.get(nth) {
            Some(measured) => write!(list, ", ({measured})::float8 as m{nth}"),
            None => write!(list, ", case when ({value}) is not null then interval_us::float8 end as m{nth}"),
        };
    }
    format!(
        "select coalesce(({key})::text, '') as key, {STEP} as step{list}, interval_us::float8 as covered
        from {from} where instance_id = $1 and time > $2 and time <= $3 and interval_us > 0"
    )
}

/// How the values of a step are merged: of parts of intervals that cover it, or of what is of it whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Merge {
    /// `c.v0` of rows with the `c.length` of their intervals, and what of these is `c.covered` by the step.
    Parts,
    /// `c.v0`, measured for `c.m0`, over what is `c.covered`.
    Whole,
}

/// The values of a source in each step that it covers, as `merged` says (a list of expressions); `key`, `step` and
/// what is covered stand before them.
pub(crate) async fn stepwise(
    snapshot: &Snapshot,
    source: Source<'_>,
    merged: impl Fn(Merge) -> Vec<String>,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<Vec<Row>, Error> {
    let sql = |rows: &str, merged: Vec<String>| {
        let merged: String = merged.iter().map(|one| format!(", {one}")).collect();
        format!(
            "select c.key, c.step, sum(c.covered)::float8{merged} from ({rows}) c
             where c.covered > 0 group by c.key, c.step"
        )
    };
    let step_us = grid.step_us();
    let rows = match source.bucketed(snapshot, id, range, grid).await? {
        Some((from, buckets)) => {
            let sql = sql(&in_steps(&from, source.key, buckets), merged(Merge::Whole));
            snapshot.query_once(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us]).await?
        }
        None => {
            let sql = sql(&over_steps(&source.raw(), source.key, source.values), merged(Merge::Parts));
            let ends = gaps.ends();
            let parameters: [&(dyn ToSql + Sync); 7] =
                [&id, &range.start, &range.end, &grid.start, &step_us, &grid.points, &ends];
            snapshot.query(&sql, &parameters).await?
        }
    };
    Ok(rows.into_iter().filter(|row| !gaps.hold(grid, row.get(1))).collect())
}

/// Increments per second. An increment is spread over the steps that its interval covers, or belongs to the step of its
/// bucket; a step that none covers is null, and one over a gap is in no step.
pub(crate) async fn rates(
    snapshot: &Snapshot,
    source: Source<'_>,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<Series, Error> {
    let rate = |merge: Merge, nth: usize| match merge {
        Merge::Parts => format!(
            "sum(c.v{nth} * c.covered / c.length) * 1e6
                / nullif(sum(c.covered) filter (where c.v{nth} is not null), 0)"
        ),
        Merge::Whole => format!("sum(c.v{nth}) * 1e6 / nullif(sum(c.m{nth}), 0)"),
    };
    let rates = |merge: Merge| (0..source.values.len()).map(|nth| rate(merge, nth)).collect();
    let rows = stepwise(snapshot, source, rates, id, range, grid, gaps).await?;
    Ok(on_grid(&rows, 3, source.values.len(), grid))
}

/// The largest value that was read within each step; a step without a reading is null.
pub(crate) async fn gauges(
    snapshot: &Snapshot,
    source: Source<'_>,
    id: InstanceId,
    range: Range,
    grid: Grid,
) -> Result<Series, Error> {
    let bucketed = source.bucketed(snapshot, id, range, grid).await?;
    let (from, values) = match bucketed {
        Some((from, buckets)) => (from, buckets.values),
        None => (source.raw(), source.values),
    };
    let values: String = values.iter().map(|value| format!(", max(({value})::float8)")).collect();
    let sql = format!(
        "select coalesce(({key})::text, ''), least({STEP}, $6::int8 - 1){values}
         from {from} where instance_id = $1 and time > $2 and time <= $3 group by 1, 2",
        key = source.key,
    );
    let step_us = grid.step_us();
    let rows = snapshot.query_once(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us, &grid.points]).await?;
    Ok(on_grid(&rows, 2, source.values.len(), grid))
}

fn on_grid(rows: &[Row], first: usize, values: usize, grid: Grid) -> Series {
    let mut all = Series::new();
    for row in rows {
        let series = all.entry(row.get(0)).or_insert_with(|| empty(values, grid));
        let Ok(step) = usize::try_from(row.get::<_, i64>(1)) else { continue };
        for (nth, series) in series.iter_mut().enumerate() {
            if let Some(place) = series.get_mut(step) {
                *place = row.get(nth + first);
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
