//! What an instance is made of: which objects there are at a moment, what of them somebody should mend, and what changed
//! when. All of it from the validity of infos.

mod answer;
mod changes;
mod findings;
pub mod model;
mod store;

pub use answer::{changes, get};
