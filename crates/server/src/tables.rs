//! The tables of an instance: size, growth, use, dead rows, and how near autovacuum is.

mod autovacuum;
mod figures;
pub(crate) mod http;
pub(crate) mod model;
mod store;
