//! What is looked for. A new rule is a value in a file of its subject, and its name here.

mod connections;
mod locks;
mod settings;
mod transactions;
mod version;
mod wraparound;

use crate::finding::Rule;

/// All rules, in the order in which somebody who knows PostgreSQL looks.
pub static RULES: &[&Rule] = &[
    &version::END_OF_LIFE,
    &settings::DURABILITY,
    &settings::AUTOVACUUM,
    &settings::PENDING_RESTART,
    &settings::STATISTICS,
    &settings::MEMORY,
    &connections::CONNECTIONS,
    &connections::LIMITS,
    &locks::BLOCKED,
    &transactions::IDLE,
    &transactions::LONG_RUNNING,
    &transactions::PREPARED,
    &wraparound::WRAPAROUND,
];

/// From where a threshold is that pages and reports share.
pub(crate) const OURS: &str = "pgAnalytics, the same as health on its pages";
