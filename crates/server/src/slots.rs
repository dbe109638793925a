//! Replication slots at a moment and what each kept back over time, from `pg_replication_slots`.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
