//! Custom sets: sets of the users' own (`x_…`) that administrators write here. A set has its files and says which
//! collectors it is for; they get it with their configuration, whose versions name the versions of sets in them. Versions
//! are kept, also of one that was removed.
//!
//! `definitions.rs` has those that collectors brought from their `CATALOG_DIR`, which may need an administrator's approval.

pub(crate) mod definitions;
pub(crate) mod http;
pub(crate) mod model;
pub(super) mod store;
