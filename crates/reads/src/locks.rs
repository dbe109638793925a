//! Who waits for a lock and who blocks whom: the tree of a moment, and how many were blocked over time.

mod answer;
pub mod model;
mod object;
pub(crate) mod relations;
pub(crate) mod store;
mod tree;

pub use answer::get;
