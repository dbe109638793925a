//! The indexes of an instance: what each is used for, and which can go.

mod answer;
mod figures;
pub mod model;
mod store;

pub use answer::list;
