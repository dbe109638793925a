//! Counters of a set over a range, by its labels: the sums of the range, and rates on a grid of rows that are taken
//! together.

use std::fmt::Write as _;

use tokio_postgres::Error;

use crate::gaps::Gaps;
use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::series::{Buckets, Series, Source, rates};

/// What the rows with one set of labels sum up to.
#[derive(Clone, Debug)]
pub(crate) struct Summed {
    /// In the order of the labels that were asked for.
    pub(crate) labels: Vec<Option<String>>,
    /// In the order of the counters; null where not measured.
    pub(crate) sums: Vec<Option<f64>>,
}

/// Sums over the range of each row, told apart by labels.
pub(crate) async fn by_label(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    (labels, counters): (&[&str], &[&str]),
    range: Range,
) -> Result<Vec<Summed>, Error> {
    let Some(tiered) = snapshot.tiered(set) else { return Ok(Vec::new()) };
    let parts = Parts::of(snapshot, id, tiered, range).await?;
    let columns: Vec<&str> = labels.iter().chain(counters).copied().collect();
    let names: Vec<String> = labels.iter().map(|label| format!("r.\"{label}\"::text")).collect();
    let sums: String = counters.iter().map(|counter| format!(", sum(r.\"{counter}\")::float8")).collect();
    let by: Vec<String> = (1..=labels.len()).map(|nth| nth.to_string()).collect();
    let sql = format!(
        "select {names}{sums} from ({rows}) r where r.\"{first}\" is not null group by {by} order by {by}",
        names = names.join(", "),
        rows = parts.rows(&columns),
        first = labels.first().copied().unwrap_or_default(),
        by = by.join(", "),
    );
    let rows = snapshot.query_of(&sql, id).await?;
    let summed = rows.iter().map(|row| Summed {
        labels: (0..labels.len()).map(|nth| row.get(nth)).collect(),
        sums: (labels.len()..columns.len()).map(|nth| row.get(nth)).collect(),
    });
    Ok(summed.collect())
}

/// Rates on the grid of the rows that are alike in `key`, an expression over `labels`: all of a reading have one
/// interval, so they are summed first.
pub(crate) async fn together(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    (key, labels, counters): (&str, &[&str], &[&str]),
    (range, grid): (Range, Grid),
    gaps: &Gaps,
) -> Result<Series, Error> {
    let (mut inner, mut outer) = (String::new(), String::new());
    let (mut once, mut measured) = (String::new(), Vec::new());
    for counter in counters {
        let _ = write!(once, ", sum(d.\"{counter}\") as \"{counter}\"");
        let _ = write!(
            inner,
            ", sum(b.\"{counter}\") as \"{counter}\", sum(b.interval_us) filter (where b.\"{counter}\" is not null) as \"{counter}_us\""
        );
        let _ = write!(outer, ", sum(d.\"{counter}\") as \"{counter}\", max(d.\"{counter}_us\") as \"{counter}_us\"");
        measured.push(format!("\"{counter}_us\""));
    }
    let apart: String = labels.iter().map(|label| format!(", b.\"{label}\"")).collect();
    let raw = format!(
        "(select d.instance_id, d.time, {key} as together, max(d.interval_us) as interval_us{once}
        from {{}} d where d.instance_id = $1 and d.time > $2 and d.time <= $3
        group by d.instance_id, d.time, {key}) t"
    );
    let buckets = format!(
        "(select d.instance_id, d.time, {key} as together, max(d.interval_us) as interval_us{outer}
        from (select b.instance_id, b.time{apart}, sum(b.interval_us) as interval_us{inner}
            from {{}} b group by b.instance_id, b.time{apart}) d
        group by d.instance_id, d.time, {key}) t"
    );
    let values: Vec<String> = counters.iter().map(|counter| format!("\"{counter}\"")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let measured: Vec<&str> = measured.iter().map(String::as_str).collect();
    let columns: Vec<&str> = std::iter::once("interval_us").chain(labels.iter().chain(counters).copied()).collect();
    let source = Source {
        set,
        over: Some(&raw),
        key: "together",
        values: &values,
        buckets: Some(Buckets { columns: &columns, over: Some(&buckets), values: &values, measured: &measured }),
    };
    rates(snapshot, source, id, range, grid, gaps).await
}
