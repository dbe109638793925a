//! Long commands that tell how far they are: vacuum, analyze, building of indexes, copies and base backups.

mod answer;
pub mod model;
mod stage;
pub(crate) mod store;

pub use answer::at;
