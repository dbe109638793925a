//! Sets whose readings do not tell that PostgreSQL answers.

use catalog::{Catalog, Scope, Set};

/// The sets that are read beside PostgreSQL, and those that are sampled: what samples added up to is still told when it
/// does not answer any more.
pub(crate) fn beside(catalog: &Catalog) -> Vec<&str> {
    let sampled: Vec<&str> =
        catalog.sets().filter_map(|set| Some([set.name(), &set.sample.as_ref()?.counted_in])).flatten().collect();
    catalog.sets().filter(|set| is_elsewhere(set) || sampled.contains(&set.name())).map(Set::name).collect()
}

/// Whether a set is not read from PostgreSQL at all.
pub(crate) fn is_elsewhere(set: &Set) -> bool {
    matches!(set.definition.scope, Scope::Host | Scope::Collector | Scope::Pooler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_nothing_of_postgresql_is_named() {
        let catalog = Catalog::embedded().unwrap();
        let beside = beside(&catalog);
        for set in ["host_cpu", "collector_sets", "pgbouncer_pools", "session_samples", "session_sampling"] {
            assert!(beside.contains(&set), "{set}");
        }
        for set in ["sessions", "wal", "pg_stat_all_tables"] {
            assert!(!beside.contains(&set), "{set}");
        }
    }
}
