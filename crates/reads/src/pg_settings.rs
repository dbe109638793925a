//! The settings of a monitored instance at one moment, from `pg_settings`. What this server is configured with is
//! in `settings`.

mod answer;
pub mod model;
pub(crate) mod store;

pub use answer::list;
