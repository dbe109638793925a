//! Templates: what many collectors have in common. A template has a text and the labels that a collector must have for
//! it; its versions are kept, also of one that was removed.

pub(crate) mod http;
pub(crate) mod model;
pub(super) mod store;
