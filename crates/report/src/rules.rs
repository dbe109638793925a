//! What is looked for. A new rule is a value in a file of its subject, and its name here.

mod connections;
mod indexes;
mod locks;
mod replication;
mod rights;
mod security;
mod sequences;
mod settings;
mod slots;
mod traffic;
mod transactions;
mod vacuum;
mod version;
mod wraparound;

use crate::finding::Rule;

/// All rules, in the order in which somebody who knows PostgreSQL looks.
pub static RULES: &[&Rule] = &[
    &version::END_OF_LIFE,
    &settings::DURABILITY,
    &security::CHECKSUMS,
    &settings::AUTOVACUUM,
    &wraparound::WRAPAROUND,
    &sequences::SEQUENCES,
    &connections::CONNECTIONS,
    &connections::LIMITS,
    &locks::BLOCKED,
    &transactions::IDLE,
    &transactions::LONG_RUNNING,
    &transactions::PREPARED,
    &slots::SLOTS,
    &replication::ARCHIVER,
    &replication::RECEIVER,
    &replication::SENDERS,
    &replication::SUBSCRIPTIONS,
    &settings::PENDING_RESTART,
    &settings::STATISTICS,
    &settings::MEMORY,
    &traffic::CHECKPOINTS,
    &traffic::DEADLOCKS,
    &traffic::ROLLED_BACK,
    &traffic::TEMPORARY_FILES,
    &traffic::CACHE,
    &vacuum::BEHIND_WITH,
    &vacuum::SWITCHED_OFF,
    &vacuum::NEVER_ANALYZED,
    &vacuum::BLOATED,
    &indexes::BROKEN,
    &indexes::DUPLICATE,
    &indexes::UNUSED,
    &indexes::FOREIGN_KEYS,
    &security::ROLES,
    &rights::RIGHTS,
    &rights::FAILED,
    &rights::STATEMENTS,
    &rights::EXTENSIONS,
    &rights::CLOCK,
];

/// From where a threshold is that pages and reports share.
pub(crate) const OURS: &str = "pgAnalytics, the same as health on its pages";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::RULES;

    #[test]
    fn rules_have_names_of_their_own_and_read_what_there_is() {
        let catalog = catalog::Catalog::embedded().unwrap();
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            for set in rule.needs.iter().chain(rule.over) {
                assert!(catalog.get(set).is_some(), "{} needs {set}", rule.id);
            }
            let sentence = [rule.title, rule.threshold, rule.source];
            assert!(sentence.iter().all(|text| !text.is_empty() && !text.ends_with('.')), "{}", rule.id);
        }
    }
}
