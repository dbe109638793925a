//! Takes batches in, keeps them in PostgreSQL, and answers over HTTP.

pub mod ingest;
pub mod store;
