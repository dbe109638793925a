//! `GET` and `PUT /retention`, with their SQL.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use store::retention::{CONFIGURED, Retention as Kept, RetentionChange};
use store::{Holding, PARTITIONED_FIXED, StoredPartition};

use super::model::{ChangeDays, KeptSet, KeptTier, Retention};
use crate::error::{Detail, ReadError};
use crate::reader::Snapshot;

/// Why a name is none of a set, as a clause about it.
const NO_SET: &str = "names no set that is kept for a number of days: those are listed where nothing is changed";

/// How long what is kept, as it would be with these changes.
///
/// # Errors
/// When the changes may not be, or the store fails.
pub async fn get(snapshot: &Snapshot, changes: &[ChangeDays]) -> Result<Retention, ReadError> {
    let before = Kept::from_rows(&snapshot.query(CONFIGURED, &[]).await?);
    let after = changed(snapshot, &before, changes)?;
    let stored = Stored::read(snapshot).await?;
    let before = stored.under(snapshot, &before);
    let mut answer = stored.under(snapshot, &after);
    answer.freed_bytes = (answer.expired_bytes - before.expired_bytes).max(0);
    Ok(answer)
}

fn changed(snapshot: &Snapshot, before: &Kept, changes: &[ChangeDays]) -> Result<Kept, ReadError> {
    let mut after = before.clone();
    let mut details = Vec::new();
    for (position, change) in changes.iter().enumerate() {
        let field = |name: &str| format!("changes[{position}].{name}");
        if changes[..position].iter().any(|before| (&before.set, before.tier) == (&change.set, change.tier)) {
            details.push(Detail::new(field("tier"), "is said twice of this set"));
        }
        match holdings(snapshot, &change.set) {
            None => details.push(Detail::new(field("set"), NO_SET)),
            Some(holdings) if !holdings.contains(&change.tier.into()) => {
                details.push(Detail::new(field("tier"), format!("must be raw: {} has no tiers", change.set)));
            }
            Some(_) => {
                if let Err(reason) = after.change(&RetentionChange::from(change)) {
                    details.push(Detail::new(field("days"), reason));
                }
            }
        }
    }
    if details.is_empty() {
        let sets: BTreeSet<&str> = changes.iter().map(|change| change.set.as_str()).collect();
        for set in sets {
            let Err(short) = after.check(set) else { continue };
            let of_set = || changes.iter().enumerate().filter(|(_, change)| change.set == set);
            let at_fault = short.fault_of(of_set().map(|(_, change)| change.tier.into()));
            for (position, change) in of_set().filter(|(_, change)| Some(Holding::from(change.tier)) == at_fault) {
                details.push(Detail::new(format!("changes[{position}].days"), short.reason(change.tier.into())));
            }
        }
    }
    if details.is_empty() { Ok(after) } else { Err(ReadError::invalid(details)) }
}

/// What is kept of a set, where its rows have an end.
fn holdings(snapshot: &Snapshot, set: &str) -> Option<&'static [Holding]> {
    let known = snapshot.definitions().set(set).filter(|known| known.is_partitioned())?;
    Some(if snapshot.tiered(&known.definition.name).is_some() { &Holding::ALL } else { &Holding::ALL[..1] })
}

/// The partitions that are there.
struct Stored {
    now: Timestamp,
    /// By table.
    partitions: HashMap<String, Vec<StoredPartition>>,
}

impl Stored {
    async fn read(snapshot: &Snapshot) -> Result<Self, ReadError> {
        let now = snapshot.query_one("select now()", &[]).await?.get(0);
        let mut partitions: HashMap<String, Vec<StoredPartition>> = HashMap::new();
        let sets = snapshot.definitions().sets();
        let names: Vec<&str> =
            sets.iter().map(|known| known.definition.name.as_str()).chain(PARTITIONED_FIXED).collect();
        let tables: Vec<String> =
            Holding::ALL.iter().flat_map(|holding| names.iter().map(|name| holding.table(name))).collect();
        for row in snapshot.query(&snapshot.layout().partitions(), &[&tables]).await? {
            if let Some(partition) = StoredPartition::from_row(&row) {
                partitions.entry(partition.table.clone()).or_default().push(partition);
            }
        }
        Ok(Self { now, partitions })
    }

    fn under(&self, snapshot: &Snapshot, kept: &Kept) -> Retention {
        let sets = snapshot.definitions().sets();
        let mut names: Vec<&str> = sets.iter().map(|known| known.definition.name.as_str()).collect();
        names.retain(|name| holdings(snapshot, name).is_some());
        names.sort_unstable();
        let of_set = |set: &&str| {
            let holdings = holdings(snapshot, set).unwrap_or_default();
            let tiers = holdings
                .iter()
                .map(|holding| self.tier(set, *holding, kept.days(set, *holding), kept.default_days(set, *holding)));
            KeptSet { set: (*set).to_owned(), tiers: tiers.collect() }
        };
        let of_shared = |table: &str| {
            let tiers = Holding::ALL.into_iter().map(|holding| {
                let days = |kept: &Kept| kept.shared_days(names.iter().copied(), holding);
                self.tier(table, holding, days(kept), days(&Kept::default()))
            });
            KeptSet { set: table.to_owned(), tiers: tiers.collect() }
        };
        let data: Vec<KeptSet> = names.iter().map(of_set).collect();
        let shared: Vec<KeptSet> = PARTITIONED_FIXED.into_iter().map(of_shared).collect();
        let sum = |of: fn(&KeptTier) -> i64| data.iter().chain(&shared).flat_map(|set| &set.tiers).map(of).sum();
        let (bytes, expired_bytes) = (sum(|tier| tier.bytes), sum(|tier| tier.expired_bytes));
        Retention { data, shared, bytes, expired_bytes, freed_bytes: 0 }
    }

    fn tier(&self, set: &str, holding: Holding, days: i64, default_days: i64) -> KeptTier {
        let partitions = self.partitions.get(&holding.table(set)).map(Vec::as_slice).unwrap_or_default();
        let expired = partitions.iter().filter(|partition| partition.is_past(self.now, days));
        KeptTier {
            tier: holding.into(),
            days,
            default_days,
            partitions: i64::try_from(partitions.len()).unwrap_or(i64::MAX),
            bytes: partitions.iter().map(|partition| partition.bytes).sum(),
            expired_bytes: expired.map(|partition| partition.bytes).sum(),
            oldest_end: partitions.iter().map(|partition| partition.end).min(),
        }
    }
}
