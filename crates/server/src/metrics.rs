//! What was stored, as it was stored: rows of one set, counts, how deliveries go, and the catalogue.
//!
//! Owns the generic reads that follow from definitions. What a page shows of an instance (rankings,
//! timelines, replication) has features of its own.

pub(crate) mod catalog;
pub(crate) mod count;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod rows;
