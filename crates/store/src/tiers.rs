//! Tiers: what was measured per 5 minutes, hour, day and week, beside the raw rows.
//!
//! ```text
//! raw rows ─► due (with the rows, in their transaction) ─► roll-up ─► 5m ─► due ─► 1h ─► due ─► 1d ─► due ─► 1w
//! ```
//! A bucket holds the rows with `start < time <= end` and is named by its end. A row of an interval over 5 minutes is
//! divided over the 5-minute cells that it covers. A bucket says what the raw rows say wherever nothing is due for it
//! in its own tier or a finer one. Owns the tables, what is due, the making and the end of buckets; leaves to readers
//! which tier answers what.

mod absent;
mod due;
mod figures;
mod over;
mod reading;
mod retire;
mod roll_up;
mod shape;
mod statements;
mod tables;
mod tier;

use std::collections::BTreeMap;

use catalog::{Catalog, Definition};
use deadpool_postgres::Transaction;

pub use figures::{FLUSH_WAIT, REPLAY_WAIT, WRITE_WAIT};
pub use reading::{Part, Tiered};
pub use retire::Holding;
pub(crate) use retire::{is_needed, retire};
pub use roll_up::RolledUp;
pub use tier::{LONGEST_WHOLE_US, REACH_US, SETTLE_US, Tier};

use crate::derived::Derived;
use crate::layout::Table;
use crate::{Layout, Store, StoreError};
use shape::Shape;

/// The advisory lock of who makes buckets, or takes away what they are made from.
pub(crate) const ROLL_UP_LOCK: i64 = 0x7067_616e_0003;

/// How the name of a set should not end: its table would be taken for a tier of another set, or a partition of one.
fn has_reserved_end(name: &str) -> bool {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let base = base.strip_suffix('_').filter(|_| base != name).unwrap_or(name);
    Tier::ALL.iter().any(|tier| base.ends_with(tier.suffix()))
}

/// Whether a set can be taken in beside tiers, its own and those of others.
///
/// # Errors
/// Which of its names is in the way.
pub(crate) fn check(definition: &Definition, whole: &BTreeMap<String, Definition>) -> Result<(), String> {
    let name = &definition.name;
    if has_reserved_end(name) {
        let ends = Tier::ALL.map(Tier::suffix).join(", ");
        return Err(format!("the name {name} ends like those of tiers: {ends}"));
    }
    if let Some(tier) = taken(name, |table| whole.contains_key(table)) {
        return Err(format!("the name {tier}, which a tier of it would have, is that of another set"));
    }
    Shape::of_set(definition).map(|_| ())
}

/// The tier whose name another set has.
fn taken(set: &str, is_set: impl Fn(&str) -> bool) -> Option<String> {
    Tier::ALL.iter().map(|tier| tier.table(set)).find(|table| is_set(table))
}

/// The tiers of a set, unless something is in their way: sets of users' own may have been there before them.
fn shape_of(definition: &Definition, is_set: impl Fn(&str) -> bool) -> Option<Shape> {
    let shape = Shape::of_set(definition).ok().flatten()?;
    taken(&definition.name, is_set).is_none().then_some(shape)
}

/// Makes or widens the tables of all tiers, and makes due what is stored of those that are new.
pub(crate) async fn prepare(
    transaction: &Transaction<'_>,
    layout: Layout,
    catalog: &Catalog,
    whole: &BTreeMap<String, Definition>,
) -> Result<(), StoreError> {
    let mut made: BTreeMap<Tier, Vec<&str>> = BTreeMap::new();
    for definition in whole.values() {
        match shape_of(definition, |set| whole.contains_key(set)) {
            Some(shape) => {
                let id = crate::tables::id(catalog, &shape.raw);
                for tier in tables::create_or_widen(transaction, layout, &shape, id).await? {
                    made.entry(tier).or_default().push(definition.name.as_str());
                }
            }
            None if definition.kind() == catalog::SetKind::Figures => {
                tracing::warn!(set = definition.name, "its names are in the way of tiers: it has raw rows only");
            }
            None => {}
        }
    }
    let mut is_first = false;
    for shape in Shape::fixed() {
        is_first |= tables::create_or_widen(transaction, layout, &shape, None).await?.contains(&Tier::Minutes);
    }
    // The finest tier is made from raw rows, and all coarser ones follow; one that comes to it later is made from it.
    let new = made.remove(&Tier::Minutes).unwrap_or_default();
    for (tier, mut sets) in made {
        sets.retain(|set| !new.contains(set));
        if !sets.is_empty() {
            due::add_from_finer(transaction, tier, &sets).await?;
        }
    }
    let named: Vec<&str> = if is_first { whole.keys().map(String::as_str).collect() } else { new.clone() };
    if named.is_empty() || !layout.was_before_tiers() {
        return Ok(());
    }
    due::add_stored(transaction, layout, &new, &named).await
}

/// Makes or widens the tables of a set's tiers.
pub(crate) async fn create_or_widen(
    transaction: &Transaction<'_>,
    layout: Layout,
    catalog: &Catalog,
    definition: &Definition,
    whole: &BTreeMap<String, Definition>,
) -> Result<(), StoreError> {
    if let Some(shape) = shape_of(definition, |set| whole.contains_key(set)) {
        tables::create_or_widen(transaction, layout, &shape, crate::tables::id(catalog, &shape.raw)).await?;
    }
    Ok(())
}

/// The functions that sum over long ranges, for dashboards and people.
pub(crate) fn functions(whole: &BTreeMap<String, Definition>) -> Vec<Derived> {
    let of_set = |definition: &Definition| {
        let shape = shape_of(definition, |set| whole.contains_key(set))?;
        over::of_set(definition, &shape)
    };
    over::shared().into_iter().chain(whole.values().filter_map(of_set)).collect()
}

/// How the tables of tiers are to be kept.
pub(crate) fn kept(catalog: &Catalog, whole: &BTreeMap<String, Definition>) -> Vec<Table> {
    let of_sets = whole.values().filter_map(|definition| shape_of(definition, |set| whole.contains_key(set)));
    let of_sets = of_sets.map(|shape| (crate::tables::id(catalog, &shape.raw), shape));
    let all = of_sets.chain(Shape::fixed().into_iter().map(|shape| (None, shape)));
    all.flat_map(|(id, shape)| Tier::ALL.map(|tier| tables::kept(&shape, tier, id))).collect()
}

impl Store {
    /// Whether there are tiers of a set.
    pub(crate) fn has_tiers(&self, set: &str) -> bool {
        self.tiers_of(set).is_some()
    }

    fn tiers_of(&self, set: &str) -> Option<Shape> {
        let known = self.definitions().set(set)?;
        shape_of(&known.definition, |set| self.definitions().set(set).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tiers_and_their_partitions_are_not_for_sets() {
        for taken in ["x_a_5m", "x_a_1h", "x_a_1d", "x_a_1w", "x_a_5m_202611", "x_a_1d_2026"] {
            assert!(has_reserved_end(taken), "{taken}");
        }
        for free in ["x_a", "x_5min", "x_a_1h_more", "x_a_2026", "x_a5m", "x_a_1h2"] {
            assert!(!has_reserved_end(free), "{free}");
        }
    }

    #[test]
    fn every_set_of_the_catalogue_with_figures_has_tiers() {
        let catalog = Catalog::embedded().unwrap();
        let whole: BTreeMap<String, Definition> =
            catalog.sets().map(|set| (set.definition.name.clone(), set.definition.clone())).collect();
        for definition in whole.values() {
            assert_eq!(check(definition, &whole), Ok(()), "{}", definition.name);
            let has_tiers = shape_of(definition, |set| whole.contains_key(set)).is_some();
            assert_eq!(has_tiers, definition.kind() == catalog::SetKind::Figures, "{}", definition.name);
        }
    }
}
