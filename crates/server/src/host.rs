//! The machine that an instance runs on: processors, memory, load, block devices and file systems.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
