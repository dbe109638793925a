//! The one way from the store to answers: whoever asks (a page, an alert, an export) asks here, without HTTP.
//!
//! A feature is a folder of `model.rs` (what travels), `store.rs` (its SQL) and `answer.rs` (how it is put together);
//! beside them stand what all share.
//!
//! ```text
//! reader (a snapshot of what somebody may see) ─► <feature>::answer ─► <feature>::store ─► PostgreSQL
//!                       when, range ─► readings, series, spread, covered, gaps, flags, clusters
//! ```

pub mod cost;
pub mod databases;
pub mod functions;
mod holders;
pub mod host;
pub mod indexes;
pub mod instances;
pub mod io;
pub mod jobs;
pub mod locks;
pub mod logical;
pub mod metrics;
pub mod pg_settings;
pub mod progress;
pub mod queries;
mod relations;
pub mod replication;
pub mod retention;
pub mod schema;
pub mod sessions;
pub mod sizes;
pub mod slots;
pub mod tables;
pub mod wal;
pub mod wraparound;

mod clusters;
mod covered;
mod error;
mod flags;
mod gaps;
mod infos;
mod page;
mod parts;
mod range;
mod reader;
mod readings;
mod series;
pub mod skew;
mod spread;
mod sums;
mod unread;
mod when;

pub use error::{Detail, ReadError};
pub use page::{Page, Paging};
pub use reader::{InstanceId, NoSnapshot, Reader, Snapshot, View};
pub use when::{Moment, When};
