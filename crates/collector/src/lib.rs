//! Reads PostgreSQL, forms increments, spools and pushes them.

pub mod backend;
pub mod baseline;
pub mod clock;
pub mod connect;
mod cost;
pub mod coverage;
pub mod discovery;
pub mod examine;
pub mod host;
pub mod identity;
pub mod increments;
pub mod limits;
pub mod named;
pub mod own;
pub mod push;
pub mod read;
pub mod redact;
pub mod run;
pub mod schedule;
pub mod spool;
pub mod state;
mod texts;
mod unreachable;
pub mod watch;
