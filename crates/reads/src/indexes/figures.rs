//! From what was read to the rows of the answer: rates, sizes, findings, folded partitions. Pure.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use judgement::indexes::{self as findings, Use};

use super::model::{Finding, Index};
use super::store::{Gauges, Sums};
use crate::covered::per_second;
use crate::relations::bloat::Bloat;
use crate::relations::names::{self, Relation};
use crate::relations::sizes::Size;
use crate::relations::{Key, plus};

/// What is known of the indexes of an instance.
pub(super) struct Known<'a> {
    pub(super) indexes: &'a HashMap<Key, names::Index>,
    pub(super) tables: &'a HashMap<Key, Relation>,
    pub(super) gauges: &'a HashMap<Key, Gauges>,
    pub(super) sums: &'a HashMap<Key, Sums>,
    /// Microseconds that the sums cover, by database.
    pub(super) covered: &'a HashMap<i64, f64>,
    pub(super) sizes: &'a HashMap<Key, Size>,
    /// Indexes that another instance of the cluster scans, with its name.
    pub(super) elsewhere: &'a HashMap<Key, String>,
    /// When PostgreSQL lost numbers of scans last.
    pub(super) lost_at: Option<Timestamp>,
    pub(super) bloat: &'a HashMap<Key, Bloat>,
    pub(super) block_size: i64,
    pub(super) at: Timestamp,
}

/// An index, or those of partitions under that of their topmost table.
#[derive(Default)]
struct Gathered {
    partitions: Option<usize>,
    sums: Sums,
    size: Option<i64>,
    is_estimate: bool,
    bloat: Bloat,
    gauges: Gauges,
    since: Option<Timestamp>,
    elsewhere: Option<String>,
    needed_for: Option<&'static str>,
}

impl Known<'_> {
    /// The indexes; with `fold`, those of partitions are summed under that of their topmost table.
    pub(super) fn indexes(&self, fold: bool) -> Vec<Index> {
        let is_scanned = |key: &Key| {
            self.gauges.get(key).and_then(|gauges| gauges.scans).is_some_and(|scans| scans > 0)
                || self.sums.get(key).and_then(|sums| sums.scans).is_some_and(|scans| scans > 0.0)
                || self.elsewhere.contains_key(key)
        };
        let duplicates = findings::duplicates(self.indexes, is_scanned);
        let mut gathered: BTreeMap<Key, Gathered> = BTreeMap::new();
        for (key, gauges) in self.gauges {
            let index = self.indexes.get(key);
            let root = index.and_then(|index| index.root).filter(|_| fold);
            let row = gathered.entry((key.0, root.unwrap_or(key.1))).or_default();
            if root.is_some() {
                row.partitions = Some(row.partitions.unwrap_or(0) + 1);
            }
            self.gather(row, *key, gauges, index);
        }
        gathered.into_iter().map(|(key, row)| self.finish(key, row, &duplicates)).collect()
    }

    fn gather(&self, row: &mut Gathered, key: Key, gauges: &Gauges, index: Option<&names::Index>) {
        row.sums.add(self.sums.get(&key).copied().unwrap_or_default());
        row.bloat.add(self.bloat.get(&key).copied().unwrap_or_default());
        let size = self.sizes.get(&key).and_then(|size| size.total());
        if size.is_none() {
            row.is_estimate = true;
        }
        row.size = plus(row.size, size.or_else(|| Some(gauges.pages?.saturating_mul(self.block_size))));
        row.gauges.relid = row.gauges.relid.or(gauges.relid);
        row.gauges.read_at = row.gauges.read_at.max(gauges.read_at);
        row.gauges.last_scan = row.gauges.last_scan.max(gauges.last_scan);
        row.gauges.scans = plus(row.gauges.scans, gauges.scans);
        row.gauges.stats_since = row.gauges.stats_since.max(gauges.stats_since);
        // It may be older than its first reading, but nobody knows how old.
        let since = index.and_then(|index| index.first_seen);
        let since = since.map(|seen| Some(seen).max(gauges.stats_since).max(self.lost_at)).unwrap_or_default();
        row.since = row.since.max(since);
        row.needed_for = row.needed_for.or_else(|| index.and_then(findings::needed_for));
        if row.elsewhere.is_none() {
            row.elsewhere = self.elsewhere.get(&key).cloned();
        }
    }

    fn finish(&self, key: Key, row: Gathered, duplicates: &HashMap<Key, Key>) -> Index {
        let Gathered { partitions, sums, size, is_estimate, bloat, gauges, since, elsewhere, needed_for: of_part } =
            row;
        let rate = |sum: Option<f64>| per_second(sum?, *self.covered.get(&key.0)?);
        let index = self.indexes.get(&key);
        let relid = index.and_then(|index| index.relid).or(gauges.relid);
        let name_of = |key: &Key| self.indexes.get(key).and_then(|index| index.name.clone());
        let same_as = duplicates.get(&key).map(|other| name_of(other).unwrap_or_else(|| other.1.to_string()));
        let elsewhere = elsewhere.as_deref();
        let how = Use { scans: gauges.scans, in_range: sums.scans, since, at: self.at, elsewhere };
        let needed_for = index.and_then(findings::needed_for).or(of_part);
        let judgement =
            index.map(|index| findings::judge(index, how, same_as.as_deref(), needed_for)).unwrap_or_default();
        // What belongs to an index of a partitioned table cannot be dropped by itself.
        let is_part = index.is_some_and(|index| index.root.is_some_and(|root| root != key.1));
        let yes = |of: fn(&names::Index) -> bool| index.is_some_and(of);
        Index {
            database: String::new(),
            datid: key.0,
            indexrelid: key.1,
            relid,
            schema: index.and_then(|index| index.schema.clone()),
            name: index.and_then(|index| index.name.clone()),
            table: relid.and_then(|relid| self.tables.get(&(key.0, relid))?.name.clone()),
            method: index.and_then(|index| index.method.clone()),
            columns: index.and_then(|index| index.columns.clone()),
            included: index.and_then(|index| index.included.clone()),
            predicate: yes(|index| index.predicate),
            unique: yes(|index| index.unique),
            primary: yes(|index| index.primary),
            needed_for: needed_for.or_else(|| index.and_then(findings::serves)).map(str::to_owned),
            partitions,
            size_bytes: size,
            size_is_estimate: is_estimate,
            bloat_bytes: bloat.bytes,
            bloat_ratio: bloat.ratio(self.block_size),
            scans_per_s: rate(sums.scans),
            rows_read_per_s: rate(sums.read),
            rows_fetched_per_s: rate(sums.fetched),
            scans: gauges.scans,
            scans_since: gauges.stats_since,
            known_since: since,
            last_scan: gauges.last_scan,
            finding: judgement.finding.map(Finding::from),
            droppable: judgement.can_go && !is_part,
            message: judgement.message,
            duplicate_of: same_as,
            read_at: gauges.read_at,
        }
    }
}

/// A figure to order by.
type Figure = fn(&Index) -> Option<f64>;

/// What indexes can be ordered by.
pub(super) const ORDERS: [(&str, Figure); 10] = [
    ("finding", |index| Some(gravity(index.finding))),
    ("size_bytes", |index| index.size_bytes.map(|bytes| bytes as f64)),
    ("bloat_bytes", |index| index.bloat_bytes.map(|bytes| bytes as f64)),
    ("bloat_ratio", |index| index.bloat_ratio),
    ("scans_per_s", |index| index.scans_per_s),
    ("rows_read_per_s", |index| index.rows_read_per_s),
    ("rows_fetched_per_s", |index| index.rows_fetched_per_s),
    ("scans", |index| index.scans.map(|scans| scans as f64)),
    ("known_since", |index| index.known_since.map(|at| at.as_microsecond() as f64)),
    ("last_scan", |index| index.last_scan.map(|at| at.as_microsecond() as f64)),
];

fn gravity(finding: Option<Finding>) -> f64 {
    match finding {
        Some(Finding::Invalid) => 3.0,
        Some(Finding::Duplicate) => 2.0,
        Some(Finding::Unused) => 1.0,
        None => 0.0,
    }
}
