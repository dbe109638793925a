//! What the whole instance did in the interval.

use crate::finding::{Figure, Value};
use crate::look::{Look, Row};
use crate::report::figure;

/// Fewer blocks than this tell nothing of a cache.
pub(crate) const ENOUGH_BLOCKS: f64 = 10_000.0;

/// The sum of a column over all rows; `None` where no row has it.
pub(crate) fn sum(rows: &[Row<'_>], column: &str) -> Option<f64> {
    rows.iter().filter_map(|row| row.float(column)).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// The share of blocks that were in `shared_buffers`, where there were enough.
pub(crate) fn hit_ratio(rows: &[Row<'_>]) -> Option<f64> {
    let (hit, read) = (sum(rows, "blks_hit")?, sum(rows, "blks_read")?);
    (hit + read >= ENOUGH_BLOCKS).then(|| hit / (hit + read))
}

/// Figures of the interval.
pub(crate) fn activity(look: &Look<'_>) -> Vec<Figure> {
    let databases = look.moved("pg_stat_database");
    let Some(seconds) = databases.first().and_then(|row| row.interval_us).map(|us| us as f64 / 1e6) else {
        return Vec::new();
    };
    let mut figures = Vec::new();
    let per_second = [
        ("transactions", "xact_commit"),
        ("rollbacks", "xact_rollback"),
        ("rows inserted", "tup_inserted"),
        ("rows updated", "tup_updated"),
        ("rows deleted", "tup_deleted"),
        ("blocks read", "blks_read"),
    ];
    for (name, column) in per_second {
        figures.extend(sum(&databases, column).map(|sum| figure(name, Value::PerSecond(sum / seconds))));
    }
    if let Some(ratio) = hit_ratio(&databases) {
        figures.push(figure("found in shared_buffers", Value::Ratio(ratio)));
    }
    if let Some(bytes) = sum(&databases, "temp_bytes") {
        figures.push(figure("temporary files", Value::BytesPerSecond(bytes / seconds)));
    }
    for (name, column) in [("deadlocks", "deadlocks"), ("conflicts with recovery", "conflicts")] {
        figures.extend(sum(&databases, column).map(|sum| figure(name, whole(sum))));
    }
    if let Some(time) = sum(&databases, "active_time") {
        // Microseconds of work over microseconds that went by.
        figures.push(figure("sessions at work on average", Value::Text(format!("{:.2}", time / 1e6 / seconds))));
    }
    let wal = look.moved("pg_stat_wal");
    if let Some((bytes, us)) = sum(&wal, "wal_bytes").zip(wal.first().and_then(|row| row.interval_us)) {
        figures.push(figure("WAL", Value::BytesPerSecond(bytes / (us as f64 / 1e6))));
    }
    let checkpoints = look.moved("pg_stat_checkpointer");
    for (name, column) in [("checkpoints by time", "num_timed"), ("checkpoints asked for", "num_requested")] {
        figures.extend(sum(&checkpoints, column).map(|sum| figure(name, whole(sum))));
    }
    figures
}

/// A sum of whole numbers.
#[expect(clippy::cast_possible_truncation, reason = "a sum of increments is far below")]
pub(crate) fn whole(sum: f64) -> Value {
    Value::Count(sum as i64)
}
