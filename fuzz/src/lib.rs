//! What is done with an input of each target. The tests of the workspace replay the corpus through the same.

pub mod batch;
pub mod json;
pub mod spool;
