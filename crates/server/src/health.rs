//! Whether the server works, and which version it is.

pub mod http;
pub mod model;
