//! Whether the server works, and which version it is.

pub mod http;
pub mod model;
mod troubles;

pub use troubles::{Doing, NO_ANSWER, NO_CONNECTION, Troubles, why};
