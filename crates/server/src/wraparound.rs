//! How near each database is to the end of transaction ids and multixacts, from `wraparound`.

pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod model;
