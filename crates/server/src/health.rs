//! Whether the server works, and which version it is.

pub mod http;
pub mod model;
mod troubles;

pub use troubles::{Doing, Troubles};
