//! From what was read to the rows of the answer: rates, sizes, growth, folded partitions. Pure.

use std::collections::{BTreeMap, HashMap};

use judgement::autovacuum::{self, Settings, State};

use super::model::{Autovacuum, Table};
use super::store::{Gauges, Sums};
use crate::covered::per_second;
use crate::relations::bloat::Bloat;
use crate::relations::names::Relation;
use crate::relations::readings::Times;
use crate::relations::sizes::Size;
use crate::relations::{Key, plus};

/// Growth over less than this says nothing about a day.
const DAY_S: f64 = 86_400.0;
/// Half of all transaction ids: that far apart nothing could be told apart any more.
const XID_HORIZON: f64 = 2_147_483_648.0;

/// What is known of the tables of an instance.
pub(super) struct Known<'a> {
    pub(super) relations: &'a HashMap<Key, Relation>,
    pub(super) gauges: &'a HashMap<Key, Gauges>,
    pub(super) sums: &'a HashMap<Key, Sums>,
    /// Microseconds that the sums cover, by database.
    pub(super) covered: &'a HashMap<i64, f64>,
    pub(super) sizes: &'a HashMap<Key, Size>,
    pub(super) sized_at: &'a Times,
    pub(super) sizes_before: &'a HashMap<Key, Size>,
    pub(super) sized_before: &'a Times,
    pub(super) index_pages: &'a HashMap<Key, i64>,
    pub(super) bloat: &'a HashMap<Key, Bloat>,
    pub(super) block_size: i64,
    pub(super) major: u32,
    pub(super) settings: &'a Settings,
}

/// A table, or partitions under their topmost table.
#[derive(Default)]
struct Gathered {
    partitions: Option<usize>,
    sums: Sums,
    size: Size,
    is_estimate: bool,
    bloat: Bloat,
    growth: Option<i64>,
    growth_s: Option<f64>,
    gauges: Gauges,
    autovacuum: Option<Autovacuum>,
}

impl Known<'_> {
    /// The tables; with `fold`, partitions are summed under their topmost table.
    pub(super) fn tables(&self, fold: bool) -> Vec<Table> {
        let mut gathered: BTreeMap<Key, Gathered> = BTreeMap::new();
        for (key, gauges) in self.gauges {
            let relation = self.relations.get(key);
            let root = relation.and_then(|relation| relation.root).filter(|_| fold);
            let row = gathered.entry((key.0, root.unwrap_or(key.1))).or_default();
            if root.is_some() {
                row.partitions = Some(row.partitions.unwrap_or(0) + 1);
            }
            self.gather(row, *key, gauges, relation);
        }
        gathered.into_iter().map(|(key, row)| self.finish(key, row)).collect()
    }

    fn gather(&self, row: &mut Gathered, key: Key, gauges: &Gauges, relation: Option<&Relation>) {
        row.sums.add(self.sums.get(&key).copied().unwrap_or_default());
        row.bloat.add(self.bloat.get(&key).copied().unwrap_or_default());
        match self.sizes.get(&key) {
            Some(size) => row.size.add(*size),
            None => {
                // A table that was never vacuumed nor analyzed has no count of pages, nor have its indexes.
                let is_counted = gauges.pages != Some(0) || gauges.tuples.is_none_or(|tuples| tuples >= 0.0);
                let bytes = |pages: Option<i64>| {
                    pages.filter(|_| is_counted).map(|pages| pages.saturating_mul(self.block_size))
                };
                let indexes = bytes(self.index_pages.get(&key).copied());
                row.size.add(Size { own: bytes(gauges.pages), toast: None, indexes });
                row.is_estimate = true;
            }
        }
        if let Some((bytes, seconds)) = self.growth(key) {
            row.growth = plus(row.growth, Some(bytes));
            row.growth_s = Some(seconds);
        }
        let own = &mut row.gauges;
        own.read_at = own.read_at.max(gauges.read_at);
        own.live = plus(own.live, gauges.live);
        own.dead = plus(own.dead, gauges.dead);
        own.changed = plus(own.changed, gauges.changed);
        own.last_vacuum = own.last_vacuum.max(gauges.last_vacuum);
        own.last_autovacuum = own.last_autovacuum.max(gauges.last_autovacuum);
        own.last_analyze = own.last_analyze.max(gauges.last_analyze);
        own.last_autoanalyze = own.last_autoanalyze.max(gauges.last_autoanalyze);
        own.xid_age = own.xid_age.max(gauges.xid_age);
        own.mxid_age = own.mxid_age.max(gauges.mxid_age);
        let distance = self.distance(gauges, relation);
        let nearer = match (&row.autovacuum, &distance) {
            (Some(own), Some(other)) => other.urgency() > own.urgency(),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if nearer {
            row.autovacuum = distance;
        }
    }

    /// Bytes since an earlier reading, and the seconds since then; what was not there then began at zero.
    fn growth(&self, key: Key) -> Option<(i64, f64)> {
        let (now, before) = (self.sized_at.get(&key.0)?, self.sized_before.get(&key.0)?);
        let seconds = now.duration_since(*before).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let size = self.sizes.get(&key)?.total()?;
        let was = self.sizes_before.get(&key).map_or(Some(0), |size| size.total())?;
        Some((size - was, seconds))
    }

    fn distance(&self, gauges: &Gauges, relation: Option<&Relation>) -> Option<Autovacuum> {
        let number = |count: Option<i64>| count.map(|count| count as f64);
        let state = State {
            dead: number(gauges.dead),
            inserted: number(gauges.inserted),
            tuples: gauges.tuples,
            pages: number(gauges.pages),
            frozen_pages: number(gauges.frozen_pages),
            xid_age: number(gauges.xid_age),
            mxid_age: number(gauges.mxid_age),
            options: relation?.options.as_deref(),
        };
        autovacuum::distance(self.major, self.settings, state).map(Autovacuum::from)
    }

    fn finish(&self, key: Key, row: Gathered) -> Table {
        let Gathered { partitions, sums, size, is_estimate, bloat, growth, growth_s, gauges, autovacuum } = row;
        let rate = |sum: Option<f64>| per_second(sum?, *self.covered.get(&key.0)?);
        let share =
            |part: Option<f64>, whole: Option<f64>| whole.filter(|whole| *whole > 0.0).and_then(|w| Some(part? / w));
        let rows = gauges.live.zip(gauges.dead).map(|(live, dead)| (live + dead) as f64);
        let relation = self.relations.get(&key);
        let root = relation.and_then(|relation| relation.root);
        let kind = match (partitions, relation.and_then(|relation| relation.kind.as_deref())) {
            (Some(_), _) | (_, Some("p")) => Some("partitioned"),
            (_, Some("m")) => Some("materialized_view"),
            (_, Some(_)) => Some("table"),
            (_, None) => None,
        };
        Table {
            database: String::new(),
            datid: key.0,
            relid: key.1,
            schema: relation.and_then(|relation| relation.schema.clone()),
            name: relation.and_then(|relation| relation.name.clone()),
            kind: kind.map(str::to_owned),
            unlogged: relation.is_some_and(|relation| relation.persistence.as_deref() == Some("u")),
            root_relid: root,
            root_name: root.and_then(|root| self.relations.get(&(key.0, root))?.name.clone()),
            partitions,
            size_bytes: size.total(),
            table_bytes: size.own,
            indexes_bytes: size.indexes,
            toast_bytes: size.toast,
            size_is_estimate: is_estimate,
            bloat_bytes: bloat.bytes,
            bloat_ratio: bloat.ratio(self.block_size),
            growth_bytes: growth,
            growth_ms: growth_s.map(|seconds| seconds * 1000.0),
            growth_bytes_per_day: growth.zip(growth_s).and_then(|(bytes, seconds)| per_day(bytes, seconds)),
            seq_scans_per_s: rate(sums.seq_scan),
            seq_rows_per_s: rate(sums.seq_rows),
            idx_scans_per_s: rate(sums.idx_scan),
            idx_rows_per_s: rate(sums.idx_rows),
            inserts_per_s: rate(sums.inserts),
            updates_per_s: rate(sums.updates),
            deletes_per_s: rate(sums.deletes),
            hot_ratio: share(sums.hot, sums.updates),
            blks_hit: sums.blks_hit,
            blks_read: sums.blks_read,
            live_rows: gauges.live,
            dead_rows: gauges.dead,
            dead_ratio: share(gauges.dead.map(|dead| dead as f64), rows),
            changed_rows: gauges.changed,
            last_vacuum: gauges.last_vacuum,
            last_autovacuum: gauges.last_autovacuum,
            last_analyze: gauges.last_analyze,
            last_autoanalyze: gauges.last_autoanalyze,
            xid_age: gauges.xid_age,
            xid_age_ratio: gauges.xid_age.map(|age| age as f64 / XID_HORIZON),
            mxid_age: gauges.mxid_age,
            autovacuum,
            read_at: gauges.read_at,
        }
    }
}

/// Growth as per day, where it is known of a day at least.
fn per_day(bytes: i64, seconds: f64) -> Option<f64> {
    (seconds >= DAY_S).then(|| bytes as f64 / seconds * DAY_S)
}

/// A figure to order by.
type Figure = fn(&Table) -> Option<f64>;

/// What tables can be ordered by.
pub(super) const ORDERS: [(&str, Figure); 28] = [
    ("size_bytes", |t| t.size_bytes.map(|v| v as f64)),
    ("table_bytes", |t| t.table_bytes.map(|v| v as f64)),
    ("indexes_bytes", |t| t.indexes_bytes.map(|v| v as f64)),
    ("toast_bytes", |t| t.toast_bytes.map(|v| v as f64)),
    ("bloat_bytes", |t| t.bloat_bytes.map(|v| v as f64)),
    ("bloat_ratio", |t| t.bloat_ratio),
    ("growth_bytes", |t| t.growth_bytes.map(|v| v as f64)),
    ("growth_bytes_per_day", |t| t.growth_bytes_per_day),
    ("seq_scans_per_s", |t| t.seq_scans_per_s),
    ("seq_rows_per_s", |t| t.seq_rows_per_s),
    ("idx_scans_per_s", |t| t.idx_scans_per_s),
    ("idx_rows_per_s", |t| t.idx_rows_per_s),
    ("writes_per_s", |t| plus(plus(t.inserts_per_s, t.updates_per_s), t.deletes_per_s)),
    ("inserts_per_s", |t| t.inserts_per_s),
    ("updates_per_s", |t| t.updates_per_s),
    ("deletes_per_s", |t| t.deletes_per_s),
    ("hot_ratio", |t| t.hot_ratio),
    ("blks_hit", |t| t.blks_hit),
    ("blks_read", |t| t.blks_read),
    ("live_rows", |t| t.live_rows.map(|v| v as f64)),
    ("dead_rows", |t| t.dead_rows.map(|v| v as f64)),
    ("dead_ratio", |t| t.dead_ratio),
    ("changed_rows", |t| t.changed_rows.map(|v| v as f64)),
    ("last_vacuum", |t| t.last_vacuum.max(t.last_autovacuum).map(|at| at.as_microsecond() as f64)),
    ("last_analyze", |t| t.last_analyze.max(t.last_autoanalyze).map(|at| at.as_microsecond() as f64)),
    ("xid_age", |t| t.xid_age.map(|v| v as f64)),
    ("mxid_age", |t| t.mxid_age.map(|v| v as f64)),
    ("autovacuum_share", |t| t.autovacuum.map(|a| a.urgency())),
];
