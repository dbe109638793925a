//! What each database of an instance did over a time range, from `pg_stat_database`.

pub(crate) mod counters;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
