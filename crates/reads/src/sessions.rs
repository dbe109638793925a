//! Sessions of an instance: what each does at a moment, what they wait for over time, and how many there are.

mod answer;
pub mod model;
pub(crate) mod store;

pub use answer::{activity, connections, waits};
