//! Takes batches in, keeps them in PostgreSQL, and answers over HTTP.
//!
//! Every feature is a folder of `model.rs` (what travels), `store.rs` (its SQL) and `http.rs` (its handlers);
//! [`http::endpoints`] is the one table of what can be called, and by whom.
//!
//! ```text
//! request ─► http::router (request id, headers, limits, who) ─► <feature>::http ─► <feature>::store ─► PostgreSQL
//! ```

pub mod accounts;
pub mod collectors;
mod cost;
mod covered;
mod data_dir;
mod databases;
pub mod health;
mod holders;
mod host;
pub mod http;
mod indexes;
pub mod ingest;
mod instances;
mod locks;
pub mod metrics;
pub mod migrations;
mod pg_settings;
mod queries;
mod range;
mod readings;
mod relations;
mod replication;
mod sessions;
pub mod settings;
mod slots;
pub mod store;
mod tables;
mod wal;
mod wraparound;

mod app;
mod clock;
mod clusters;
mod flags;
mod gaps;
mod listener;
mod nearest;
pub mod running;
mod series;
mod serve;
mod span;
mod spread;
mod when;

pub use app::{App, BuildInfo};
pub use clock::{Clock, SystemClock};
pub use running::Running;
pub use serve::serve;
pub use settings::Settings;
