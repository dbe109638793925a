//! Sums and series of the sets about WAL.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use catalog::Catalog;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::model::{Archiver, Directory, FIGURES, WalSeries, WalTotals};
use crate::covered::Covered;
use crate::gaps::Gaps;
use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::series::{self, Buckets, Source, lsn};

/// The set of the position.
pub(crate) const POSITION: &str = "wal";
/// The set whose interval makes the grid: the positions are read more often.
pub(crate) const GRID: &str = "pg_stat_checkpointer";
/// The set of the directory.
pub(crate) const DIRECTORY: &str = "wal_directory";
const ARCHIVER: &str = "pg_stat_archiver";

/// What was written between two readings: nothing is said of a time in which the role changed, the postmaster was
/// started anew or the position fell, because then the two positions are not of one line. What was read shortly
/// before the range is where its first interval begins.
const WRITTEN: &str = "(select w.instance_id, w.time, (extract(epoch from w.time - w.before_time) * 1e6)::float8
            as interval_us,
        case when w.in_recovery = w.before_in_recovery and w.postmaster_start = w.before_start
            and w.position >= w.before_position then w.position - w.before_position end as position
    from (select p.*, lag(p.time) over seq as before_time, lag(p.position) over seq as before_position,
            lag(p.in_recovery) over seq as before_in_recovery, lag(p.postmaster_start) over seq as before_start
        from metrics.wal p
        where p.instance_id = $1 and p.time > $2::timestamptz - interval '1 hour' and p.time <= $3
        window seq as (order by p.time)) w) written";

/// The sets that figures come from, each with what series of it are made from and the places of its figures.
pub(crate) fn sets() -> Vec<(&'static str, Vec<usize>)> {
    let names: BTreeSet<&str> = FIGURES.iter().map(|figure| figure.1).collect();
    let places = |set: &str| (0..FIGURES.len()).filter(|nth| FIGURES[*nth].1 == set).collect();
    names.into_iter().map(|set| (set, places(set))).collect()
}

/// How much of the range was read, by set.
pub(crate) async fn covered(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
) -> Result<BTreeMap<&'static str, Covered>, Error> {
    let mut covered = BTreeMap::new();
    for (set, _) in sets() {
        covered.insert(set, Covered::read(snapshot, id, set, range).await?);
    }
    Ok(covered)
}

/// The columns of figures.
fn columns_of(places: &[usize]) -> impl Iterator<Item = &'static str> {
    places.iter().map(|nth| FIGURES[*nth].2)
}

/// Sums over the range.
pub(crate) async fn totals(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<WalTotals, Error> {
    let mut totals = vec![None; FIGURES.len()];
    for (set, places) in sets() {
        let mut sums = String::new();
        for nth in &places {
            let (_, _, column, divisor) = FIGURES[*nth];
            let comma = if sums.is_empty() { "" } else { ", " };
            let _ = write!(sums, "{comma}sum({column})::float8 / {divisor:?}::float8");
        }
        let row = match snapshot.tiered(set).filter(|_| set != POSITION) {
            None => {
                let sql = format!("select {sums} from {WRITTEN} where instance_id = $1 and time > $2 and time <= $3");
                snapshot.query_one(&sql, &[&id, &range.start, &range.end]).await?
            }
            Some(tiered) => {
                let parts = Parts::of(snapshot, id, tiered, range).await?;
                let sql = format!("select {sums} from ({}) r", parts.rows(&columns_of(&places).collect::<Vec<_>>()));
                snapshot.query_one_of(&sql, id).await?
            }
        };
        for (column, nth) in places.into_iter().enumerate() {
            totals[nth] = row.get(column);
        }
    }
    Ok(WalTotals::of(totals))
}

/// Rates and gauges on the grid.
pub(crate) async fn series(
    snapshot: &Snapshot,
    catalog: &Catalog,
    id: InstanceId,
    range: Range,
    grid: Grid,
    now: Timestamp,
) -> Result<WalSeries, Error> {
    let mut rates = vec![grid.empty(); FIGURES.len()];
    for (set, places) in sets() {
        let values: Vec<String> =
            places.iter().map(|nth| format!("{} / {:?}::float8", FIGURES[*nth].2, FIGURES[*nth].3)).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let columns: Vec<&str> = std::iter::once("interval_us").chain(columns_of(&places)).collect();
        // Positions are differences between readings: of buckets nobody knows them.
        let buckets = Buckets { columns: &columns, over: None, values: &values, measured: &[] };
        let is_position = set == POSITION;
        let (over, buckets) = (is_position.then_some(WRITTEN), (!is_position).then_some(buckets));
        let source = Source { set, over, key: "''", values: &values, buckets };
        let gaps = Gaps::read(snapshot, catalog, id, set, range, now).await?;
        let one = series::rates(snapshot, source, id, range, grid, &gaps).await?.into_values().next();
        for (nth, series) in places.into_iter().zip(one.unwrap_or_default()) {
            rates[nth] = series;
        }
    }
    let directory = Source {
        set: DIRECTORY,
        over: None,
        key: "''",
        values: &["size", "ready_files"],
        buckets: Some(Buckets {
            columns: &["size_max", "ready_files_max"],
            over: None,
            values: &["size_max", "ready_files_max"],
            measured: &[],
        }),
    };
    let gauges = series::gauges(snapshot, directory, id, range, grid).await?.into_values().next();
    let gauges = gauges.and_then(|gauges| gauges.try_into().ok()).unwrap_or_else(|| [grid.empty(), grid.empty()]);
    Ok(WalSeries::of(rates, gauges))
}

const POSITION_AT: &str = "select position, in_recovery from metrics.wal where instance_id = $1 and time = $2";

/// The position at a moment: when it was read, where it was, and whether the instance was in recovery.
pub(crate) async fn position(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<(Option<Timestamp>, Option<String>, Option<bool>), Error> {
    let Some(time) = readings::at(snapshot, id, POSITION, at).await? else { return Ok((None, None, None)) };
    let row = snapshot.query_opt(POSITION_AT, &[&id, &time]).await?;
    let position = row.as_ref().and_then(|row| row.get::<_, Option<i64>>(0)).map(lsn);
    Ok((Some(time), position, row.and_then(|row| row.get(1))))
}

const DIRECTORY_AT: &str = "select size, files, ready_files,
        case when isfinite(oldest_ready) then oldest_ready end
    from metrics.wal_directory where instance_id = $1 and time = $2";

/// The directory at a moment.
pub(crate) async fn directory(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Directory, Error> {
    let Some(time) = readings::at(snapshot, id, DIRECTORY, at).await? else {
        return Ok(Directory::default());
    };
    let Some(row) = snapshot.query_opt(DIRECTORY_AT, &[&id, &time]).await? else { return Ok(Directory::default()) };
    Ok(Directory {
        at: Some(time),
        size_bytes: row.get(0),
        files: row.get(1),
        ready_files: row.get(2),
        oldest_ready: row.get(3),
    })
}

const ARCHIVER_AT: &str = "select last_archived_wal,
        case when isfinite(last_archived_time) then last_archived_time end, last_failed_wal,
        case when isfinite(last_failed_time) then last_failed_time end
    from metrics.pg_stat_archiver where instance_id = $1 and time = $2";

/// The archiver at a moment.
pub(crate) async fn archiver(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Archiver, Error> {
    let Some(time) = readings::at(snapshot, id, ARCHIVER, at).await? else { return Ok(Archiver::default()) };
    // The first reading of a set with counters gives no figures.
    let Some(row) = snapshot.query_opt(ARCHIVER_AT, &[&id, &time]).await? else { return Ok(Archiver::default()) };
    let (archived, failed): (Option<Timestamp>, Option<Timestamp>) = (row.get(1), row.get(3));
    Ok(Archiver {
        at: Some(time),
        last_archived_wal: row.get(0),
        last_archived_at: archived,
        last_failed_wal: row.get(2),
        last_failed_at: failed,
        failing: archived.max(failed).map(|_| failed > archived),
    })
}
