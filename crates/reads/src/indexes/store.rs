//! Gauges and sums of `pg_stat_all_indexes`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Error, Row};

use crate::parts::Parts;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::readings::{STALE, Times, lists};
use crate::relations::{Key, plus};

/// The set that figures come from.
pub(super) const SET: &str = "pg_stat_all_indexes";

/// What an index was at its last reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    pub(super) relid: Option<i64>,
    pub(super) read_at: Option<Timestamp>,
    pub(super) last_scan: Option<Timestamp>,
    pub(super) scans: Option<i64>,
    pub(super) stats_since: Option<Timestamp>,
    pub(super) pages: Option<i64>,
}

const GAUGES: &str = "select x.datid_read, x.indexrelid, x.relid, x.time, case when isfinite(x.last_idx_scan) then x.last_idx_scan end, x.scans,
        case when isfinite(x.stats_since) then x.stats_since end,
        x.relpages
    from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
    join metrics.pg_stat_all_indexes x on x.instance_id = $1 and x.time = r.time and x.datid_read = r.datid
    where x.indexrelid is not null";

/// Gauges at the readings of databases.
pub(super) async fn gauges(snapshot: &Snapshot, id: InstanceId, times: &Times) -> Result<HashMap<Key, Gauges>, Error> {
    let (datids, moments) = lists(times);
    let rows = snapshot.query(GAUGES, &[&id, &datids, &moments]).await?;
    let gauges = |row: &Row| Gauges {
        relid: row.get(2),
        read_at: row.get(3),
        last_scan: row.get(4),
        scans: row.get(5),
        stats_since: row.get(6),
        pages: row.get(7),
    };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), gauges(row))).collect())
}

const LOST: &str = "select max(f.\"end\") from metrics.flags f
    where f.instance_id = $1 and f.set_name = $2 and f.\"end\" <= $3
        and f.reason in ('reset', 'entry_reset', 'crash_restart', 'replaced')";

/// When PostgreSQL lost numbers of scans last, as far as it was seen: a crash leaves no other trace in them.
pub(super) async fn lost_at(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Option<Timestamp>, Error> {
    Ok(snapshot.query_one(LOST, &[&id, &SET, &at]).await?.get(0))
}

/// What an index did in a range.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) scans: Option<f64>,
    pub(super) read: Option<f64>,
    pub(super) fetched: Option<f64>,
}

impl Sums {
    /// This and another one.
    pub(super) fn add(&mut self, other: Self) {
        self.scans = plus(self.scans, other.scans);
        self.read = plus(self.read, other.read);
        self.fetched = plus(self.fetched, other.fetched);
    }
}

const SUMS: &str = "select x.datid_read, x.indexrelid, sum(x.idx_scan)::float8, sum(x.idx_tup_read)::float8,
        sum(x.idx_tup_fetch)::float8
    from ({}) x where x.indexrelid is not null group by x.datid_read, x.indexrelid";

/// What sums are made from.
const SUMMED: [&str; 5] = ["datid_read", "indexrelid", "idx_scan", "idx_tup_read", "idx_tup_fetch"];

/// Sums over a range.
pub(super) async fn sums(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<HashMap<Key, Sums>, Error> {
    let Some(tiered) = snapshot.tiered(SET) else { return Ok(HashMap::new()) };
    let parts = Parts::of(snapshot, id, tiered, range).await?;
    let rows = snapshot.query_of(&SUMS.replace("{}", &parts.rows(&SUMMED)), id).await?;
    let keyed = |row: &Row| {
        let sums = Sums { scans: row.get(2), read: row.get(3), fetched: row.get(4) };
        Some(((row.get::<_, Option<i64>>(0)?, row.get(1)), sums))
    };
    Ok(rows.iter().filter_map(keyed).collect())
}

/// Oids are the same on all instances of a cluster, and each counts its own scans: also one that may not be seen.
const ELSEWHERE: &str = "select distinct on (x.datid_read, x.indexrelid) x.datid_read, x.indexrelid,
        case when $4::int4[] is null or o.id = any($4) then o.name else 'another instance' end
    from metrics.instances i
    join metrics.instances o on o.system_identifier = i.system_identifier and o.id <> i.id and o.retired_at is null
    join metrics.pg_stat_all_indexes x on x.instance_id = o.id and x.time > $2 and x.time <= $3 and x.scans > 0
    where i.id = $1 and i.system_identifier <> '' and x.datid_read is not null and x.indexrelid is not null
    order by x.datid_read, x.indexrelid, o.name";

/// Indexes that another instance of the cluster scans, with its name.
pub(super) async fn used_elsewhere(
    snapshot: &Snapshot,
    id: InstanceId,
    at: Timestamp,
) -> Result<HashMap<Key, String>, Error> {
    let since = at.saturating_sub(SignedDuration::min(STALE, ELSEWHERE_WITHIN)).unwrap_or(at);
    let rows = snapshot.query(ELSEWHERE, &[&id, &since, &at, &snapshot.visible()]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// How old the readings of other instances may be; each repeats how often an index was scanned.
const ELSEWHERE_WITHIN: SignedDuration = SignedDuration::from_mins(30);
