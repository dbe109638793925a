//! Logical replication: what an instance subscribes to, what it publishes, and what decoding for its slots took.

mod answer;
pub mod model;
mod store;

pub use answer::get;
