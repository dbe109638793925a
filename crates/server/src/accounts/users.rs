//! The administrators' view of users: list, make, change, remove, give a new password.

pub mod http;
pub mod model;
pub mod store;
