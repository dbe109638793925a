//! What an instance writes and keeps of WAL over a time range: rates, checkpoints, the archiver, the directory.

mod answer;
pub mod model;
pub(crate) mod store;

pub use answer::get;
