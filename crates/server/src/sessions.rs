//! Sessions of an instance: what each does at a moment, what they wait for over time, and how many there are.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
