//! `GET /instances/{id}/tables`.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::figures::{Known, ORDERS};
use super::model::{Table, TableTotals, Tables, TablesQuery};
use super::store;
use crate::clusters::OfOneCluster;
use crate::covered::{self, Covered};
use crate::error::ReadError;
use crate::flags;
use crate::instances::coverage::{note_missing, unreadable};
use crate::instances::store as instances;
use crate::parts;
use crate::pg_settings::store as pg_settings;
use crate::queries::model::{Direction, Unmeasured};
use crate::queries::names::Names;
use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use crate::relations::model::{self, Partitions, no_such_order};
use crate::relations::{bloat, compare, names, plus, readings, sizes};

/// The order unless asked otherwise.
const ORDER: &str = "size_bytes";
/// The set of index pages, for sizes where files cannot be read.
const INDEXES: &str = "pg_stat_all_indexes";

/// Fields of the answer that come from one column.
const COLUMNS: [(&str, &str); 17] = [
    ("seq_scans_per_s", "seq_scan"),
    ("seq_rows_per_s", "seq_tup_read"),
    ("idx_scans_per_s", "idx_scan"),
    ("idx_rows_per_s", "idx_tup_fetch"),
    ("inserts_per_s", "n_tup_ins"),
    ("updates_per_s", "n_tup_upd"),
    ("deletes_per_s", "n_tup_del"),
    ("hot_ratio", "n_tup_hot_upd"),
    ("live_rows", "n_live_tup"),
    ("dead_rows", "n_dead_tup"),
    ("dead_ratio", "n_dead_tup"),
    ("changed_rows", "n_mod_since_analyze"),
    ("last_vacuum", "last_vacuum"),
    ("last_autovacuum", "last_autovacuum"),
    ("last_analyze", "last_analyze"),
    ("autovacuum", "n_dead_tup"),
    ("xid_age", "xid_age"),
];
/// Fields that files are needed for.
const OF_FILES: [&str; 4] = ["size_bytes", "toast_bytes", "growth_bytes", "growth_bytes_per_day"];
/// A day, and as much more as lies between two readings of sizes.
const GROWTH_WITHIN: SignedDuration = SignedDuration::from_hours(26);

/// The tables: size, growth, use over a range, dead rows, and how near autovacuum is.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, query: TablesQuery) -> Result<Tables, ReadError> {
    let (asked, at) = model::when(query.start, query.end, query.at, snapshot.now())?;
    let limit = model::limit(query.limit)?;
    let wanted = query.order.as_deref().unwrap_or(ORDER);
    let Some((_, order)) = ORDERS.iter().find(|(name, _)| *name == wanted) else {
        return Err(no_such_order(ORDERS.iter().map(|(name, _)| *name)));
    };
    let range = OfOneCluster::read(snapshot, id, asked).await?.range;
    let instance = instances::one(snapshot, id).await?;
    let times = readings::at(snapshot, id, store::SET, at).await?;
    let sized_at = readings::at(snapshot, id, sizes::SET, at).await?;
    let sized_before = readings::at_start(snapshot, id, sizes::SET, growing(asked, at)).await?;
    let settings = pg_settings::values(snapshot, id, at).await?;
    let summed = parts::summed(snapshot, store::SET, range).await?;
    let covered = covered::by_database(snapshot, id, store::SET, summed).await?;
    let known = Known {
        relations: &names::relations(snapshot, id, at).await?,
        gauges: &store::gauges(snapshot, id, &times).await?,
        sums: &store::sums(snapshot, id, range).await?,
        covered: &covered,
        sizes: &sizes::at(snapshot, id, &sized_at).await?,
        sized_at: &sized_at,
        sizes_before: &sizes::at(snapshot, id, &sized_before).await?,
        sized_before: &sized_before,
        index_pages: &store::index_pages(snapshot, id, &readings::at(snapshot, id, INDEXES, at).await?).await?,
        bloat: &bloat::at(snapshot, id, &readings::at(snapshot, id, bloat::SET, at).await?).await?,
        block_size: pg_settings::block_size(snapshot, id).await?,
        major: instance.and_then(|one| one.version_num).map_or(0, |version| version.unsigned_abs() / 10_000),
        settings: &settings,
    };
    let databases = Names::databases(snapshot, id, at).await?;
    let fold = query.root.is_none() && query.partitions.unwrap_or_default() == Partitions::Fold;
    let mut all = known.tables(fold);
    all.retain(|table| query.system.unwrap_or(false) || !model::is_system(table.schema.as_deref()));
    for table in &mut all {
        table.database = databases.of(table.datid);
    }
    let schemas: BTreeSet<String> = all.iter().filter_map(|table| table.schema.clone()).collect();
    all.retain(|table| {
        query.database.as_deref().is_none_or(|wanted| databases.is(table.datid, wanted)) && matches(table, &query)
    });
    let ascending = query.direction.unwrap_or_default() == Direction::Asc;
    all.sort_by(|one, other| {
        let names = |table: &Table| (table.database.clone(), table.schema.clone(), table.name.clone(), table.relid);
        compare(order(one), order(other), ascending).then_with(|| names(one).cmp(&names(other)))
    });
    let totals = totals(&all);
    let total = all.len();
    let data: Vec<Table> = all.into_iter().skip(query.offset.unwrap_or(0)).take(limit).collect();
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (field, column) in COLUMNS {
        note_missing(&mut unmeasured, field, &states, store::SET, column);
    }
    for field in OF_FILES {
        note_missing(&mut unmeasured, field, &states, sizes::SET, "main_bytes");
    }
    for field in ["bloat_bytes", "bloat_ratio"] {
        note_missing(&mut unmeasured, field, &states, bloat::SET, "bloat_bytes");
    }
    let mut names: Vec<String> = times.keys().map(|datid| databases.of(*datid)).collect();
    names.sort();
    Ok(Tables {
        count: data.len(),
        data,
        total,
        totals,
        databases: names,
        schemas: schemas.into_iter().collect(),
        at: times.values().max().copied(),
        oldest_at: times.values().min().copied(),
        unmeasured,
        not_readable: unreadable(&states, &[store::SET, sizes::SET, "pg_class"]),
        flagged_intervals: flags::read(snapshot, id, store::SET, asked).await?,
        covered: Covered::most(&covered, summed).asked_for(snapshot, id, store::SET, range).await?,
    })
}

/// Where growth begins: a range of an hour would tell nothing of a day, though the day before it was read.
fn growing(range: Range, at: Timestamp) -> Range {
    let day_ago = at.saturating_sub(GROWTH_WITHIN).unwrap_or(at);
    Range { start: range.start.min(day_ago), end: range.end.max(at) }
}

fn matches(table: &Table, query: &TablesQuery) -> bool {
    let search = query.search.as_deref().map(str::to_lowercase).unwrap_or_default();
    let of = |part: &Option<String>| part.as_deref().unwrap_or_default().to_lowercase();
    query.root.is_none_or(|root| table.root_relid == Some(root))
        && query.schema.as_ref().is_none_or(|schema| table.schema.as_ref() == Some(schema))
        && format!("{}.{}", of(&table.schema), of(&table.name)).contains(&search)
}

fn totals(tables: &[Table]) -> TableTotals {
    let mut totals = TableTotals { tables: tables.len(), ..TableTotals::default() };
    for table in tables {
        totals.partitions += table.partitions.unwrap_or(0);
        totals.size_bytes = plus(totals.size_bytes, table.size_bytes);
        totals.bloat_bytes = plus(totals.bloat_bytes, table.bloat_bytes);
        totals.growth_bytes_per_day = plus(totals.growth_bytes_per_day, table.growth_bytes_per_day);
        totals.dead_rows = plus(totals.dead_rows, table.dead_rows);
    }
    totals
}
