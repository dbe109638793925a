//! What collecting takes: the collector's process, and the instance's time, by set.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
