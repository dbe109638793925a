//! Reads PostgreSQL, forms increments, spools and pushes them.

pub mod baseline;
pub mod connect;
pub mod identity;
pub mod increments;
pub mod read;
pub mod spool;
mod tls;
