//! The settings of a monitored instance at one moment, from `pg_settings`. What this server is configured with is
//! in `settings`.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
