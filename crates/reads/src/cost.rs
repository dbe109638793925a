//! What collecting takes: the collector's process, and the instance's time, by set.

mod answer;
pub mod model;
pub(crate) mod store;

pub use answer::get;
