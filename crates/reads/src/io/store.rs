//! Sums and series of `pg_stat_io` and `pg_stat_slru`.

use tokio_postgres::Error;

use super::model::{Figure, IO, IoFigures, IoOf, IoSeries, SLRU, Slru, SlruFigures};
use crate::gaps::Gaps;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::spread::ratio;
use crate::sums;

/// The set of the main figures.
pub(super) const SET: &str = "pg_stat_io";
/// The set of the small caches.
pub(super) const SLRU_SET: &str = "pg_stat_slru";

fn columns(figures: &[Figure]) -> Vec<&'static str> {
    figures.iter().map(|figure| figure.1).collect()
}

fn plus(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    crate::relations::plus(one, other)
}

/// What each kind of process did over the range, the most bytes first.
pub(super) async fn totals(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<Vec<IoOf>, Error> {
    let labels = ["backend_type", "object", "context"];
    let rows = sums::by_label(snapshot, id, SET, (&labels, &columns(IO)), range).await?;
    let mut all: Vec<IoOf> = rows
        .into_iter()
        .filter_map(|row| {
            let [backend_type, object, context] = <[_; 3]>::try_from(row.labels).ok()?;
            let figures = IoFigures::of(row.sums);
            Some(IoOf {
                backend_type: backend_type?,
                object: object.unwrap_or_default(),
                context: context.unwrap_or_default(),
                hit_ratio: ratio(figures.hits, plus(figures.hits, figures.reads)),
                mean_read_ms: ratio(figures.read_time_ms, figures.reads),
                mean_write_ms: ratio(figures.write_time_ms, figures.writes),
                mean_fsync_ms: ratio(figures.fsync_time_ms, figures.fsyncs),
                figures,
            })
        })
        .collect();
    let bytes = |of: &IoOf| {
        let figures = &of.figures;
        plus(plus(figures.read_bytes, figures.write_bytes), figures.extend_bytes).unwrap_or(0.0)
    };
    all.sort_by(|one, other| bytes(other).total_cmp(&bytes(one)));
    Ok(all)
}

/// The small caches over the range, by name.
pub(super) async fn slru(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<Vec<Slru>, Error> {
    let rows = sums::by_label(snapshot, id, SLRU_SET, (&["name"], &columns(SLRU)), range).await?;
    let slru = rows.into_iter().filter_map(|row| {
        let figures = SlruFigures::of(row.sums);
        let hit_ratio = ratio(figures.blks_hit, plus(figures.blks_hit, figures.blks_read));
        Some(Slru { name: row.labels.into_iter().next()??, figures, hit_ratio })
    });
    Ok(slru.collect())
}

/// What separates the parts of a key.
const APART: char = '\u{1f}';
/// A kind of process and an object.
const TOGETHER: &str = "d.backend_type || chr(31) || d.object";
const RATED: [&str; 8] =
    ["read_bytes", "write_bytes", "extend_bytes", "read_time", "write_time", "hits", "evictions", "fsyncs"];

/// Rates on the grid, by kind of process and object.
pub(super) async fn series(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    gaps: &Gaps,
) -> Result<Vec<IoSeries>, Error> {
    let labels = ["backend_type", "object", "context"];
    let all = sums::together(snapshot, id, SET, (TOGETHER, &labels, &RATED), (range, grid), gaps).await?;
    let ms = |us: Vec<Option<f64>>| us.into_iter().map(|us| us.map(|us| us / 1000.0)).collect();
    let mut series: Vec<IoSeries> = all
        .into_iter()
        .filter_map(|(key, values)| {
            let (backend_type, object) = key.split_once(APART)?;
            let [read_bytes, write_bytes, extend_bytes, read_time, write_time, hits, evictions, fsyncs] =
                <[_; 8]>::try_from(values).ok()?;
            Some(IoSeries {
                backend_type: backend_type.to_owned(),
                object: object.to_owned(),
                read_bytes,
                write_bytes,
                extend_bytes,
                read_time_ms: ms(read_time),
                write_time_ms: ms(write_time),
                hits,
                evictions,
                fsyncs,
            })
        })
        .collect();
    series.sort_by(|one, other| (&one.backend_type, &one.object).cmp(&(&other.backend_type, &other.object)));
    Ok(series)
}
