//! What each database of an instance did over a time range, from `pg_stat_database`.

mod answer;
pub(crate) mod counters;
pub mod model;
pub(crate) mod store;

pub use answer::list;
