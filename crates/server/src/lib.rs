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
mod data_dir;
mod embedded;
pub mod health;
pub mod http;
mod jobs;
pub mod layout;
mod life;
mod listener;
pub mod migrations;
mod occupancy;
mod push;
mod reading;
pub mod retention;
pub mod running;
mod serve;
pub mod settings;
pub mod sizes;
pub mod steering;

mod app;
mod clock;

pub use app::{App, BuildInfo};
pub use clock::{Clock, SystemClock};
pub use embedded::{Embedded, NoStore};
pub use listener::Tls;
pub use occupancy::Owner;
pub use running::Running;
pub use serve::serve;
pub use settings::Settings;
