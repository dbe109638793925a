//! What the store takes: of which set and tier, of which instance, how that grows, and when the disk is full.

mod answer;
mod growth;
pub mod model;
mod store;

pub use answer::get;
