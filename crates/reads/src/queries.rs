//! What statements cost: the ranking over a range, and one statement over time.
//!
//! ```text
//! metrics.pg_stat_statements ─► sums per (database, user, queryid, toplevel) ─► ranking + others = everything
//! ```
//! Figures are sums of increments. Names and texts are joined in memory, so that what is read of the large table is
//! one pass over the range.

mod answer;
pub(crate) mod figures;
pub mod model;
pub(crate) mod names;
mod ranking;
pub(crate) mod store;

pub use answer::{get, list, timeline};
