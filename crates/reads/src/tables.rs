//! The tables of an instance: size, growth, use, dead rows, and how near autovacuum is.

mod answer;
mod figures;
pub mod model;
mod store;

pub use answer::list;
