//! `GET /instances/{id}/indexes`.

use std::collections::BTreeSet;

use super::figures::{Known, ORDERS};
use super::model::{Finding, Index, IndexTotals, Indexes, IndexesQuery};
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
use crate::reader::{InstanceId, Snapshot};
use crate::relations::model::{self, Partitions, no_such_order};
use crate::relations::{bloat, compare, names, plus, readings, sizes};
use judgement::indexes::UNUSED_AFTER_DAYS;

/// The order unless asked otherwise.
const ORDER: &str = "finding";

/// Fields of the answer that come from one column.
const COLUMNS: [(&str, &str); 5] = [
    ("scans_per_s", "idx_scan"),
    ("rows_read_per_s", "idx_tup_read"),
    ("rows_fetched_per_s", "idx_tup_fetch"),
    ("scans", "scans"),
    ("last_scan", "last_idx_scan"),
];

/// The indexes: what each is used for, and which are invalid, duplicate or unused.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn list(snapshot: &Snapshot, id: InstanceId, query: IndexesQuery) -> Result<Indexes, ReadError> {
    let (asked, at) = model::when(query.start, query.end, query.at, snapshot.now())?;
    let limit = model::limit(query.limit)?;
    let wanted = query.order.as_deref().unwrap_or(ORDER);
    let Some((_, order)) = ORDERS.iter().find(|(name, _)| *name == wanted) else {
        return Err(no_such_order(ORDERS.iter().map(|(name, _)| *name)));
    };
    let range = OfOneCluster::read(snapshot, id, asked).await?.range;
    let times = readings::at(snapshot, id, store::SET, at).await?;
    let sized_at = readings::at(snapshot, id, sizes::SET, at).await?;
    let summed = parts::summed(snapshot, store::SET, range).await?;
    let covered = covered::by_database(snapshot, id, store::SET, summed).await?;
    let known = Known {
        indexes: &names::indexes(snapshot, id, at).await?,
        tables: &names::relations(snapshot, id, at).await?,
        gauges: &store::gauges(snapshot, id, &times).await?,
        sums: &store::sums(snapshot, id, range).await?,
        covered: &covered,
        sizes: &sizes::at(snapshot, id, &sized_at).await?,
        lost_at: store::lost_at(snapshot, id, at).await?,
        elsewhere: &store::used_elsewhere(snapshot, id, at).await?,
        bloat: &bloat::at(snapshot, id, &readings::at(snapshot, id, bloat::SET, at).await?).await?,
        block_size: pg_settings::block_size(snapshot, id).await?,
        at,
    };
    let databases = Names::databases(snapshot, id, at).await?;
    let fold = query.partitions.unwrap_or_default() == Partitions::Fold;
    let mut all = known.indexes(fold);
    all.retain(|index| query.system.unwrap_or(false) || !model::is_system(index.schema.as_deref()));
    for index in &mut all {
        index.database = databases.of(index.datid);
    }
    let schemas: BTreeSet<String> = all.iter().filter_map(|index| index.schema.clone()).collect();
    all.retain(|index| {
        query.database.as_deref().is_none_or(|wanted| databases.is(index.datid, wanted)) && matches(index, &query)
    });
    let totals = totals(&all);
    all.retain(|index| query.finding.is_none_or(|wanted| index.finding == Some(wanted)));
    let ascending = query.direction.unwrap_or_default() == Direction::Asc;
    all.sort_by(|one, other| {
        let names = |index: &Index| (index.database.clone(), index.schema.clone(), index.name.clone());
        compare(order(one), order(other), ascending)
            .then_with(|| other.size_bytes.cmp(&one.size_bytes))
            .then_with(|| (names(one), one.indexrelid).cmp(&(names(other), other.indexrelid)))
    });
    let total = all.len();
    let data: Vec<Index> = all.into_iter().skip(query.offset.unwrap_or(0)).take(limit).collect();
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (field, column) in COLUMNS {
        note_missing(&mut unmeasured, field, &states, store::SET, column);
    }
    note_missing(&mut unmeasured, "size_bytes", &states, sizes::SET, "main_bytes");
    note_missing(&mut unmeasured, "finding", &states, "pg_index", "is_valid");
    for field in ["bloat_bytes", "bloat_ratio"] {
        note_missing(&mut unmeasured, field, &states, bloat::SET, "bloat_bytes");
    }
    let mut names: Vec<String> = times.keys().map(|datid| databases.of(*datid)).collect();
    names.sort();
    Ok(Indexes {
        count: data.len(),
        data,
        total,
        totals,
        databases: names,
        schemas: schemas.into_iter().collect(),
        unused_after_days: UNUSED_AFTER_DAYS,
        at: times.values().max().copied(),
        oldest_at: times.values().min().copied(),
        unmeasured,
        not_readable: unreadable(&states, &[store::SET, sizes::SET, "pg_index"]),
        flagged_intervals: flags::read(snapshot, id, store::SET, asked).await?,
        covered: Covered::most(&covered, summed).asked_for(snapshot, id, store::SET, range).await?,
    })
}

fn matches(index: &Index, query: &IndexesQuery) -> bool {
    let search = query.search.as_deref().map(str::to_lowercase).unwrap_or_default();
    let of = |part: &Option<String>| part.as_deref().unwrap_or_default().to_lowercase();
    let schema = of(&index.schema);
    query.schema.as_ref().is_none_or(|schema| index.schema.as_ref() == Some(schema))
        && query.relid.is_none_or(|relid| index.relid == Some(relid))
        && [&index.name, &index.table].iter().any(|name| format!("{schema}.{}", of(name)).contains(&search))
}

fn totals(indexes: &[Index]) -> IndexTotals {
    let mut totals = IndexTotals { indexes: indexes.len(), ..IndexTotals::default() };
    for index in indexes {
        totals.size_bytes = plus(totals.size_bytes, index.size_bytes);
        totals.bloat_bytes = plus(totals.bloat_bytes, index.bloat_bytes);
        match index.finding {
            Some(Finding::Invalid) => totals.invalid += 1,
            Some(Finding::Duplicate) => totals.duplicate += 1,
            Some(Finding::Unused) => totals.unused += 1,
            None => {}
        }
        if index.droppable {
            totals.droppable_bytes = plus(totals.droppable_bytes, index.size_bytes);
        }
    }
    totals
}
