//! Who has been in the way of vacuum the longest, and who holds the freeze age: sessions, prepared transactions,
//! replication slots and tables, in words. The pages of sessions and of wraparound answer with them.

pub(crate) mod freeze;
pub(crate) mod model;
pub(crate) mod transactions;
