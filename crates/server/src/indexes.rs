//! The indexes of an instance: what each is used for, and which can go.

mod figures;
mod findings;
pub(crate) mod http;
pub(crate) mod model;
mod store;
