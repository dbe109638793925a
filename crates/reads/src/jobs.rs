//! The background work of the servers: who does what, how it went, and how much is due.

mod answer;
pub mod model;

pub use answer::list;
