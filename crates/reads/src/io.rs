//! Who reads and writes what: `pg_stat_io`, the small caches of `pg_stat_slru`, and what backends write themselves.

mod answer;
mod findings;
pub mod model;
mod store;

pub use answer::get;
