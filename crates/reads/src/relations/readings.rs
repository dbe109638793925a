//! When each database was read for a set. Databases are read one after the other, each at its own time.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};

/// How old the last reading of a database may be: a sweep over many takes its time.
pub(crate) const STALE: SignedDuration = SignedDuration::from_hours(2);

/// The time of a reading, by database.
pub(crate) type Times = HashMap<i64, Timestamp>;

const LAST: &str = "select distinct on (r.datid) r.datid, r.time from metrics.readings r
    where r.instance_id = $1 and r.set_name = $2 and r.datid is not null and r.error is null
        and r.time > $3 and r.time <= $4 and r.time >= metrics.cluster_since($1, $5)
        and r.time >= coalesce((select g.until from metrics.absent g where g.table_name = $2), '-infinity')
    order by r.datid, r.time desc";

const FIRST: &str = "select distinct on (r.datid) r.datid, r.time from metrics.readings r
    where r.instance_id = $1 and r.set_name = $2 and r.datid is not null and r.error is null
        and r.time > $3 and r.time <= $4 and r.time >= metrics.cluster_since($1, $5)
        and r.time >= coalesce((select g.until from metrics.absent g where g.table_name = $2), '-infinity')
    order by r.datid, r.time";

/// The last readings of each database at a moment, where they are not too old.
pub(crate) async fn at(snapshot: &Snapshot, id: InstanceId, set: &str, at: Timestamp) -> Result<Times, Error> {
    times(snapshot, LAST, id, set, shortly_before(at), at).await
}

/// The readings of each database at the beginning of a range, or else the first ones in it; of the cluster of its end.
pub(crate) async fn at_start(snapshot: &Snapshot, id: InstanceId, set: &str, range: Range) -> Result<Times, Error> {
    let mut first = times(snapshot, FIRST, id, set, range, range.end).await?;
    let before = Range { start: shortly_before(range.start).start, end: range.start };
    first.extend(times(snapshot, LAST, id, set, before, range.end).await?);
    Ok(first)
}

/// The time up to a moment in which the last readings of it are.
fn shortly_before(at: Timestamp) -> Range {
    let start = at.saturating_sub(STALE).unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH);
    Range { start, end: at }
}

/// Readings in a range, of the cluster that answered at a moment.
async fn times(
    snapshot: &Snapshot,
    sql: &str,
    id: InstanceId,
    set: &str,
    range: Range,
    cluster_at: Timestamp,
) -> Result<Times, Error> {
    let rows = snapshot.query(sql, &[&id, &set, &range.start, &range.end, &cluster_at]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The databases and times as two lists, for `unnest`.
pub(crate) fn lists(times: &Times) -> (Vec<i64>, Vec<Timestamp>) {
    times.iter().map(|(datid, time)| (*datid, *time)).unzip()
}
