//! Sessions of an instance: what each does at a moment, what they wait for over time, and how many there are.

mod answer;
pub mod model;
mod samples;
mod series;
pub(crate) mod store;
mod waits;

pub use answer::{activity, connections};
pub use waits::waits;
