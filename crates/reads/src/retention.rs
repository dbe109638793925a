//! How long what is kept, what it takes on the disk, and what goes.

mod answer;
pub mod model;

pub use answer::get;
