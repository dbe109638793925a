//! Private PostgreSQL clusters: find binaries, initdb, start, adopt, keep running, stop, standby.
//!
//! Owns everything between "there is a directory" and "there is a dsn": which binaries, as which account, where the
//! socket lies, whether the postmaster in `postmaster.pid` is really alive, and in which way it stops. Speaks to
//! PostgreSQL only through its programs, files and signals, never over a connection: roles, databases and migrations
//! belong to the callers (the server's embedded store, the demo, the test kit).
//!
//! Flow: [`Binaries::find`] → [`ClusterOptions`] → [`Cluster::create`] or [`Cluster::open`] → [`Cluster::start`] →
//! [`Cluster::dsn`] → [`Cluster::stop`]. Everything here blocks; async callers use a blocking task.

mod account;
mod binaries;
mod cluster;
mod command;
mod error;
mod keeper;
mod lifecycle;
mod options;
mod postmaster;
pub mod process;
mod ready;
mod settings;
mod socket;
mod standby;
mod wait;

pub use account::Account;
pub use binaries::{BINARY_DIRECTORIES, Binaries, OLDEST};
pub use cluster::Cluster;
pub use error::Error;
pub use keeper::{Condition, Keeper, Outage};
pub use lifecycle::{Mode, Start, Stop};
pub use options::{ClusterOptions, DEFAULT_PORT};
pub use standby::StandbyOptions;
