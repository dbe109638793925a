//! Who streams from an instance and how far each is behind, from `pg_stat_replication`.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
