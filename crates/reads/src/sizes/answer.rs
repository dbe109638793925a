//! `GET /store`.

use std::collections::HashMap;

use store::sizes::DATABASE;
use store::{Holding, PARTITIONED_FIXED};

use super::growth::{self, Window};
use super::model::{Disk, InstanceSize, OtherSize, SetSize, StoreSizes, TierSize};
use super::store::{self as notes, Size};
use crate::error::ReadError;
use crate::reader::Snapshot;

/// What the store takes and how that grows; the disk is what the caller knows of it.
///
/// # Errors
/// When the store fails.
pub async fn get(snapshot: &Snapshot, disk: &Disk) -> Result<StoreSizes, ReadError> {
    let (now, bytes) = notes::now(snapshot).await?;
    let history = notes::history(snapshot).await?;
    let noted_at = history.last().map(|note| note.at);
    let window = Window::of(&history);
    let (mut tables, mut instances) = (HashMap::new(), Vec::new());
    if let Some(at) = noted_at {
        tables = notes::tables(snapshot, at).await?;
        instances = notes::instances(snapshot, at).await?;
    }
    let (mut tables_before, mut instances_before) = (HashMap::new(), HashMap::new());
    if let Some(window) = window {
        tables_before = notes::tables(snapshot, window.first).await?;
        let before = notes::instances(snapshot, window.first).await?;
        instances_before = before.into_iter().map(|(id, _, size)| (id, size.bytes)).collect();
    }
    let sized = Sized { window, tables: &tables, before: &tables_before };
    let bytes_per_day = sized.per_day(DATABASE);
    let sets = sized.sets(snapshot);
    let of_sets: i64 = sets.iter().flat_map(|set| &set.tiers).map(|tier| tier.bytes).sum();
    let growth_of_sets = sets.iter().flat_map(|set| &set.tiers).map(|tier| tier.bytes_per_day).sum::<Option<f64>>();
    let others = OtherSize {
        bytes: tables.get(DATABASE).map_or(0, |whole| whole.bytes - of_sets),
        bytes_per_day: bytes_per_day.zip(growth_of_sets).map(|(whole, of_sets)| whole - of_sets),
    };
    let one = |(instance_id, name, size): (i32, String, Size)| InstanceSize {
        instance_id,
        name,
        bytes: size.bytes,
        rows: size.rows,
        bytes_per_day: window.map(|window| window.per_day(instances_before.get(&instance_id).copied(), size.bytes)),
    };
    Ok(StoreSizes {
        bytes,
        bytes_per_day,
        since: window.map(|window| window.first),
        noted_bytes: history.last().map(|note| note.bytes),
        noted_at,
        reason: window.is_none().then(|| {
            "There is not enough data: sizes are noted daily, and growth is told from the second day on.".to_owned()
        }),
        disk: growth::disk(disk, now, bytes, bytes_per_day),
        sets,
        others,
        instances: instances.into_iter().map(one).collect(),
        history,
    })
}

struct Sized<'a> {
    window: Option<Window>,
    tables: &'a HashMap<String, Size>,
    before: &'a HashMap<String, Size>,
}

impl Sized<'_> {
    fn per_day(&self, table: &str) -> Option<f64> {
        let after = self.tables.get(table)?.bytes;
        self.window.map(|window| window.per_day(self.before.get(table).map(|size| size.bytes), after))
    }

    fn sets(&self, snapshot: &Snapshot) -> Vec<SetSize> {
        let known = snapshot.definitions().sets();
        let mut names: Vec<&str> = known.iter().map(|known| known.definition.name.as_str()).collect();
        names.extend(PARTITIONED_FIXED);
        names.sort_unstable();
        let mut sets = Vec::new();
        for name in names {
            let tier = |holding: Holding| {
                let table = holding.table(name);
                let size = self.tables.get(&table)?;
                let bytes_per_day = self.per_day(&table);
                Some(TierSize { tier: holding.into(), bytes: size.bytes, rows: size.rows, bytes_per_day })
            };
            let tiers: Vec<TierSize> = Holding::ALL.into_iter().filter_map(tier).collect();
            if !tiers.is_empty() {
                sets.push(SetSize { set: name.to_owned(), tiers });
            }
        }
        sets
    }
}
