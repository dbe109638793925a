//! What buckets tell of gaps: where in a long range readings are missing at all, and which parts of a time whose
//! readings are not kept any more were never read.

use jiff::{SignedDuration, Timestamp};
use store::tiers::Tiered;
use tokio_postgres::Error;

use crate::parts::{Parts, standing};
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};

/// A shorter range is looked at reading by reading.
const LONG: SignedDuration = SignedDuration::from_hours(12);
/// A bucket that lacks so much of a reading may have a part of a gap.
const MISSING: f64 = 0.75;
/// So many usual intervals before and after a span lie the readings that a gap in it is between.
const MARGIN: i32 = 3;

/// The readings of a set in a bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    start: Timestamp,
    end: Timestamp,
    readings: i64,
    covered_us: i64,
}

async fn buckets(snapshot: &Snapshot, id: InstanceId, set: &str, range: Range) -> Result<Vec<Bucket>, Error> {
    let parts = Parts::of_days(snapshot, id, Tiered::readings(set), range).await?;
    let sql = format!(
        "select time, sum(readings)::int8, sum(covered_us)::int8 from ({}) r group by time order by time",
        parts.rows(&["readings", "covered_us"])
    );
    let rows = snapshot.query_of(&sql, id).await?;
    let bucket = |row: &tokio_postgres::Row| {
        let end: Timestamp = row.get(0);
        Bucket { start: parts.bucket_start(end), end, readings: row.get(1), covered_us: row.get(2) }
    };
    Ok(rows.iter().map(bucket).collect())
}

/// The parts of a range in which gaps can be, with the readings around them.
pub(super) async fn suspects(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    range: Range,
    usual_us: i64,
) -> Result<(Vec<Timestamp>, Vec<Timestamp>), Error> {
    if range.end.duration_since(range.start) <= LONG {
        return Ok((vec![range.start], vec![range.end]));
    }
    let margin = SignedDuration::from_micros(usual_us).saturating_mul(MARGIN);
    let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
    let mut suspect = |start: Timestamp, end: Timestamp| {
        let start = start.saturating_sub(margin).unwrap_or(start).max(range.start);
        let end = end.saturating_add(margin).unwrap_or(end).min(range.end);
        match spans.last_mut() {
            Some(before) if start <= before.1 => before.1 = before.1.max(end),
            _ => spans.push((start, end)),
        }
    };
    let mut reached = range.start;
    for bucket in buckets(snapshot, id, set, range).await? {
        let width_us = bucket.end.duration_since(bucket.start).as_micros() as f64;
        if bucket.start > reached {
            suspect(reached, bucket.start);
        }
        if width_us == 0.0 || (bucket.readings as f64) < width_us / usual_us as f64 - MISSING {
            suspect(bucket.start, bucket.end);
        }
        reached = bucket.end;
    }
    if reached < range.end {
        suspect(reached, range.end);
    }
    Ok(spans.into_iter().unzip())
}

/// The parts of a range that no bucket covers, in order.
pub(super) async fn unread(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    range: Range,
) -> Result<Vec<(Timestamp, Timestamp)>, Error> {
    let mut unread = Vec::new();
    let mut reached = range.start;
    for bucket in buckets(snapshot, id, set, range).await? {
        if bucket.readings == 0 && bucket.covered_us == 0 {
            continue;
        }
        if bucket.start > reached {
            unread.push((reached, bucket.start));
        }
        reached = bucket.end;
    }
    if reached < range.end {
        unread.push((reached, range.end));
    }
    Ok(unread)
}

const ANYTHING: &str = "select exists (select from metrics.readings_1d r
        where r.instance_id = $1 and r.time < $2 and r.readings > 0)
    or exists (select from metrics.readings_1h r where r.instance_id = $1 and r.time <= $2 and r.readings > 0)";

/// Whether anything was read of an instance up to a moment.
pub(super) async fn was_watched(snapshot: &Snapshot, id: InstanceId, until: Timestamp) -> Result<bool, Error> {
    Ok(snapshot.query_one(ANYTHING, &[&id, &until]).await?.get(0))
}

const OTHERS: &str = "select exists (select from metrics.readings_1h r
        where r.instance_id = $1 and r.set_name <> $2 and r.time > $3 and r.time <= $4 and r.readings > 0)";

/// Whether another set was read in a part of time, hour by hour.
pub(super) async fn others_read(
    snapshot: &Snapshot,
    id: InstanceId,
    set: &str,
    (start, end): (Timestamp, Timestamp),
) -> Result<bool, Error> {
    Ok(snapshot.query_one(OTHERS, &[&id, &set, &start, &end]).await?.get(0))
}

/// Until when readings are kept by buckets alone.
pub(super) async fn gone(snapshot: &Snapshot) -> Result<Option<Timestamp>, Error> {
    Ok(standing::gone(snapshot).await?.get("readings").copied())
}
