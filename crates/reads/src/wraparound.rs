//! How near each database is to the end of transaction ids and multixacts, from `wraparound`.

mod answer;
pub mod model;

pub use answer::list;
