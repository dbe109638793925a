//! Who streams from an instance and how far each is behind, from `pg_stat_replication`; what a standby says itself,
//! from `pg_stat_wal_receiver`; and the cluster that they make.

mod answer;
mod cluster;
mod links;
pub mod model;
pub(crate) mod receiver;
pub(crate) mod senders;
pub(crate) mod store;

pub use answer::get;
