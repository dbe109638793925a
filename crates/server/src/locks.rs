//! Who waits for a lock and who blocks whom: the tree of a moment, and how many were blocked over time.

pub(crate) mod http;
pub(crate) mod model;
mod object;
mod relations;
pub(crate) mod store;
mod tree;
