//! Reads PostgreSQL, forms increments, spools and pushes them.

pub mod redact;
