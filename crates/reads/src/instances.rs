//! Monitored PostgreSQL instances: the fleet, one instance, and what can be read of it.
//!
//! ```text
//! http ─► fleet (figures of many instances at once) ─► store
//!              ├─► watched (read, down, silent)  └─► coverage (sets and columns)
//!              └─► signs ─► health (state and reasons)
//! ```

mod answer;
pub(crate) mod beside;
pub(crate) mod coverage;
pub(crate) mod fleet;
mod health;
pub mod life;
pub mod model;
pub(crate) mod sequences;
mod signs;
pub(crate) mod store;
mod subscriptions;
pub(crate) mod watched;

pub use answer::{get, get_coverage, list};
pub use life::get_life;
