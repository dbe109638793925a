//! Monitored PostgreSQL instances: the fleet, one instance, and what can be read of it.
//!
//! ```text
//! http ─► fleet (figures of many instances at once) ─► store
//!              └─► health (state and reasons)  └─► coverage (sets and columns)
//! ```

pub(crate) mod coverage;
pub(crate) mod fleet;
mod health;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
