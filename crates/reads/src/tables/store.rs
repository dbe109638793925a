//! Gauges and sums of `pg_stat_all_tables`, and index pages of `pg_stat_all_indexes`.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use crate::parts::Parts;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::readings::{Times, lists};
use crate::relations::{Key, plus};

/// The set that figures come from.
pub(super) const SET: &str = "pg_stat_all_tables";

/// What a table was at its last reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    pub(super) read_at: Option<Timestamp>,
    pub(super) live: Option<i64>,
    pub(super) dead: Option<i64>,
    pub(super) changed: Option<i64>,
    pub(super) inserted: Option<i64>,
    pub(super) last_vacuum: Option<Timestamp>,
    pub(super) last_autovacuum: Option<Timestamp>,
    pub(super) last_analyze: Option<Timestamp>,
    pub(super) last_autoanalyze: Option<Timestamp>,
    pub(super) pages: Option<i64>,
    pub(super) tuples: Option<f64>,
    pub(super) frozen_pages: Option<i64>,
    pub(super) xid_age: Option<i64>,
    pub(super) mxid_age: Option<i64>,
}

const GAUGES: &str = "select t.datid_read, t.relid, t.time, t.n_live_tup, t.n_dead_tup, t.n_mod_since_analyze,
        t.n_ins_since_vacuum, case when isfinite(t.last_vacuum) then t.last_vacuum end, case when isfinite(t.last_autovacuum) then t.last_autovacuum end,
        case when isfinite(t.last_analyze) then t.last_analyze end, case when isfinite(t.last_autoanalyze) then t.last_autoanalyze end, t.relpages,
        t.reltuples, t.relallfrozen, t.xid_age, t.mxid_age
    from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
    join metrics.pg_stat_all_tables t on t.instance_id = $1 and t.time = r.time and t.datid_read = r.datid
    where t.relid is not null";

/// Gauges at the readings of databases.
pub(super) async fn gauges(snapshot: &Snapshot, id: InstanceId, times: &Times) -> Result<HashMap<Key, Gauges>, Error> {
    let (datids, moments) = lists(times);
    let rows = snapshot.query(GAUGES, &[&id, &datids, &moments]).await?;
    let gauges = |row: &Row| Gauges {
        read_at: row.get(2),
        live: row.get(3),
        dead: row.get(4),
        changed: row.get(5),
        inserted: row.get(6),
        last_vacuum: row.get(7),
        last_autovacuum: row.get(8),
        last_analyze: row.get(9),
        last_autoanalyze: row.get(10),
        pages: row.get(11),
        tuples: row.get(12),
        frozen_pages: row.get(13),
        xid_age: row.get(14),
        mxid_age: row.get(15),
    };
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), gauges(row))).collect())
}

/// What a table did in a range.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) seq_scan: Option<f64>,
    pub(super) seq_rows: Option<f64>,
    pub(super) idx_scan: Option<f64>,
    pub(super) idx_rows: Option<f64>,
    pub(super) inserts: Option<f64>,
    pub(super) updates: Option<f64>,
    pub(super) deletes: Option<f64>,
    pub(super) hot: Option<f64>,
    pub(super) blks_hit: Option<f64>,
    pub(super) blks_read: Option<f64>,
}

impl Sums {
    fn fields(&mut self) -> [&mut Option<f64>; 10] {
        let Self { seq_scan, seq_rows, idx_scan, idx_rows, inserts, updates, deletes, hot, blks_hit, blks_read } = self;
        [seq_scan, seq_rows, idx_scan, idx_rows, inserts, updates, deletes, hot, blks_hit, blks_read]
    }

    /// This and another one.
    pub(super) fn add(&mut self, mut other: Self) {
        for (own, other) in self.fields().into_iter().zip(other.fields()) {
            *own = plus(*own, *other);
        }
    }
}

const SUMS: &str = "select t.datid_read, t.relid, sum(t.seq_scan)::float8, sum(t.seq_tup_read)::float8,
        sum(t.idx_scan)::float8, sum(t.idx_tup_fetch)::float8, sum(t.n_tup_ins)::float8, sum(t.n_tup_upd)::float8,
        sum(t.n_tup_del)::float8, sum(t.n_tup_hot_upd)::float8,
        sum(t.heap_blks_hit + coalesce(t.idx_blks_hit, 0) + coalesce(t.toast_blks_hit, 0)
            + coalesce(t.tidx_blks_hit, 0))::float8,
        sum(t.heap_blks_read + coalesce(t.idx_blks_read, 0) + coalesce(t.toast_blks_read, 0)
            + coalesce(t.tidx_blks_read, 0))::float8
    from ({}) t where t.relid is not null group by t.datid_read, t.relid";

/// What sums are made from.
const SUMMED: [&str; 18] = [
    "datid_read",
    "relid",
    "seq_scan",
    "seq_tup_read",
    "idx_scan",
    "idx_tup_fetch",
    "n_tup_ins",
    "n_tup_upd",
    "n_tup_del",
    "n_tup_hot_upd",
    "heap_blks_hit",
    "heap_blks_read",
    "idx_blks_hit",
    "idx_blks_read",
    "toast_blks_hit",
    "toast_blks_read",
    "tidx_blks_hit",
    "tidx_blks_read",
];

/// Sums over a range.
pub(super) async fn sums(snapshot: &Snapshot, id: InstanceId, range: Range) -> Result<HashMap<Key, Sums>, Error> {
    let Some(tiered) = snapshot.tiered(SET) else { return Ok(HashMap::new()) };
    let parts = Parts::of(snapshot, id, tiered, range).await?;
    let rows = snapshot.query_grouped(&SUMS.replace("{}", &parts.rows(&SUMMED)), id).await?;
    let sums = |row: &Row| {
        let mut sums = Sums::default();
        for (nth, field) in sums.fields().into_iter().enumerate() {
            *field = row.get(2 + nth);
        }
        sums
    };
    let keyed = |row: &Row| Some(((row.get::<_, Option<i64>>(0)?, row.get(1)), sums(row)));
    Ok(rows.iter().filter_map(keyed).collect())
}

const INDEX_PAGES: &str = "select x.datid_read, x.relid, sum(x.relpages)::int8
    from unnest($2::int8[], $3::timestamptz[]) as r (datid, time)
    join metrics.pg_stat_all_indexes x on x.instance_id = $1 and x.time = r.time and x.datid_read = r.datid
    where x.relid is not null
    group by x.datid_read, x.relid";

/// Pages of all indexes of each table, as the last vacuum counted them.
pub(super) async fn index_pages(
    snapshot: &Snapshot,
    id: InstanceId,
    times: &Times,
) -> Result<HashMap<Key, i64>, Error> {
    let (datids, moments) = lists(times);
    let rows = snapshot.query(INDEX_PAGES, &[&id, &datids, &moments]).await?;
    Ok(rows.iter().filter_map(|row| Some(((row.get(0), row.get(1)), row.get::<_, Option<i64>>(2)?))).collect())
}
