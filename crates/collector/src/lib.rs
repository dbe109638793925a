//! Reads PostgreSQL, forms increments, spools and pushes them.

pub mod baseline;
pub mod increments;
pub mod spool;
