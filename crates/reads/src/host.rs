//! The machine that an instance runs on: processors, memory, load, block devices and file systems.

mod answer;
pub mod model;
pub(crate) mod store;

pub use answer::{disks, get};
