//! What an instance writes and keeps of WAL over a time range: rates, checkpoints, the archiver, the directory.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
