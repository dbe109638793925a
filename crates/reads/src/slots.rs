//! Replication slots at a moment and what each kept back over time, from `pg_replication_slots`.

mod answer;
pub mod model;
pub(crate) mod store;

pub use answer::list;
