//! What was stored, as it was stored: rows of one set, counts, how deliveries go, and the catalogue.
//!
//! Owns the generic reads that follow from definitions. What a page shows of an instance (rankings,
//! timelines, replication) has features of its own.

mod answer;
pub mod catalog;
pub mod count;
pub mod rows;

pub use answer::{count_rows, get_set, list_sets, read_rows};
